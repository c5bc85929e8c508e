//! The port of this machine that the browser comes back to (RFC 8252 §7.3).

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use lydian_primitives::limits;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The path of the redirect address.
const PATH: &str = "/callback";

/// How long the browser may take to read the last page.
const LAST_PAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after a connection that could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the sign-in went, for the page that the browser ends on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Done,
    Failed,
}

/// A browser that came back, and waits for its page.
pub(crate) struct Arrival {
    /// The query it came with.
    pub(crate) query: String,
    page: oneshot::Sender<Outcome>,
}

impl Arrival {
    /// Shows the page.
    pub(crate) fn show(self, outcome: Outcome) {
        // A browser that did not wait needs no page.
        let _ = self.page.send(outcome);
    }
}

/// An open port, until a browser came back.
pub(crate) struct Listener {
    port: u16,
    arrivals: mpsc::Receiver<Arrival>,
    serving: JoinHandle<()>,
}

impl Listener {
    /// Opens a free port of the loopback interface.
    pub(crate) async fn open() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = socket.local_addr()?.port();
        let (sender, arrivals) = mpsc::channel(1);
        Ok(Self { port, arrivals, serving: tokio::spawn(serve(socket, sender)) })
    }

    /// The redirect address; servers compare it without the port.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for a browser.
    pub(crate) async fn arrival(&mut self) -> Arrival {
        self.arrivals.recv().await.expect("the port is served until this listener closes it")
    }

    /// Closes the port when the last page has been sent.
    pub(crate) async fn close(self) {
        drop(self.arrivals);
        // A browser that reads slowly does not keep the terminal waiting.
        let _ = tokio::time::timeout(LAST_PAGE_TIMEOUT, self.serving).await;
    }
}

/// Serves until nobody waits for arrivals any more. Browsers open connections in advance, so that there may be several.
async fn serve(socket: TcpListener, arrivals: mpsc::Sender<Arrival>) {
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = arrivals.closed() => break,
        };
        let Ok((stream, _)) = accepted else {
            // Descriptors are short, which haste does not help.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let arrivals = arrivals.clone();
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD_TIMEOUT)
            .max_buf_size(limits::HEAD_BYTES_MAX);
        let answering = service_fn(move |request| answer(request, arrivals.clone()));
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), answering));
        tokio::spawn(connection);
    }
    open.shutdown().await;
}

async fn answer(
    request: Request<Incoming>,
    arrivals: mpsc::Sender<Arrival>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != PATH {
        return Ok(page(StatusCode::NOT_FOUND, "Nothing here", "The terminal waits at another address."));
    }
    if request.method() != Method::GET {
        return Ok(page(StatusCode::METHOD_NOT_ALLOWED, "Nothing to send", "This page takes no forms."));
    }
    let (sender, shown) = oneshot::channel();
    let query = request.uri().query().unwrap_or_default().to_owned();
    // Who comes when the terminal has what it waited for is told that this was too late, as an arrival that is dropped is.
    let _ = arrivals.send(Arrival { query, page: sender }).await;
    Ok(match shown.await {
        Ok(Outcome::Done) => page(
            StatusCode::OK,
            "You are signed in",
            "The terminal has the tokens, and this page can be closed.",
        ),
        Ok(Outcome::Failed) => page(
            StatusCode::BAD_REQUEST,
            "You are not signed in",
            "The terminal says why, and this page can be closed.",
        ),
        Err(_) => page(StatusCode::GONE, "Too late", "The terminal does not wait for this any more."),
    })
}

/// How the page looks.
const STYLE: &str = "\
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1.0625rem/1.5 system-ui,sans-serif;color:#1d2430;background:#f4f5f7}\
     main{max-width:26rem;margin:1rem;padding:2rem;border-radius:.75rem;background:#fff;box-shadow:0 1px 3px #0002}\
     h1{margin:0 0 .5rem;font-size:1.375rem}\
     p{margin:0}\
     @media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14181e}\
     main{background:#1e242c}\
     }";

/// What the browser may do with the page: show it in this style, which it recognises by its SHA-256.
const POLICY: &str = "default-src 'none'; style-src 'sha256-jIsU3E+eEwY25FznoWTynLwMeEWKmkJrjsfMMj2VW7s='; \
     frame-ancestors 'none'; base-uri 'none'";

fn page(status: StatusCode, title: &str, line: &str) -> Response<Full<Bytes>> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} · Lydian</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1><p>{line}</p></main></body></html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
