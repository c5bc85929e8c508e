//! A small blocking HTTP client with keep-alive, for servers that may die at any moment.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use ureq::Agent;

/// One connection's worth of a client.
pub(crate) struct Client {
    agent: Agent,
    url: String,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// It was answered.
    Answered {
        /// The status.
        status: u16,
        /// Whether it says when to come back.
        retry_after: bool,
        /// The body as JSON; null where there is none.
        body: Value,
    },
    /// It was not answered: whether it was carried out is not known.
    Lost,
}

impl Client {
    /// A client of the server at this address.
    pub(crate) fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .max_redirects(0)
            .build();
        Self { agent: Agent::new_with_config(config), url: url.to_owned() }
    }

    /// Posts a form by Basic.
    pub(crate) fn post(&self, path: &str, client: (&str, &str), form: &[(&str, &str)]) -> Reply {
        let basic = BASE64_STANDARD.encode(format!("{}:{}", client.0, client.1));
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("authorization", format!("Basic {basic}"))
            .send_form(form.iter().copied());
        Self::read(request)
    }

    /// Posts a form with nothing but itself.
    pub(crate) fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        Self::read(self.agent.post(format!("{}{path}", self.url)).send_form(form.iter().copied()))
    }

    /// Posts a form by Bearer.
    pub(crate) fn post_bearer(&self, path: &str, token: &str, form: &[(&str, &str)]) -> Reply {
        let request =
            self.agent.post(format!("{}{path}", self.url)).header("authorization", format!("Bearer {token}"));
        Self::read(request.send_form(form.iter().copied()))
    }

    /// Gets a text; `None` when it was not answered with 200.
    pub(crate) fn get_text(&self, path: &str) -> Option<String> {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().ok()?;
        if answer.status() != 200 {
            return None;
        }
        answer.body_mut().read_to_string().ok()
    }

    /// Gets a document.
    pub(crate) fn get(&self, path: &str) -> Reply {
        Self::read(self.agent.get(format!("{}{path}", self.url)).call())
    }

    fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
        let Ok(mut answer) = answer else { return Reply::Lost };
        let status = answer.status().as_u16();
        let retry_after = answer.headers().contains_key("retry-after");
        // An answer whose body was cut off says nothing.
        let Ok(text) = answer.body_mut().read_to_string() else { return Reply::Lost };
        Reply::Answered { status, retry_after, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }
}
