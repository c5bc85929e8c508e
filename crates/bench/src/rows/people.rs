//! P3r and P3s: what tokens for people cost when they are durable before they are answered: a refresh, and a sign-in without its password.

use std::cell::RefCell;

use anyhow::{Context, Result, ensure};

use crate::bench::{Bench, Wish};
use crate::client::{Answer, fetch};
use crate::generator::{Load, run};
use crate::product::Product;
use crate::progress::Progress;
use crate::report::{Row, Target};
use crate::requests::{Request, Requests, form_encode};
use crate::response::{Response, fields};
use crate::rounds::{ExpectBody, ExpectToken, Results, Shape, Side, take_turns};

/// A single-page application of the house: nobody is asked, so that a browser that is signed in gets its code by one request.
const CLIENT_ID: &str = "bench-spa";
const REDIRECT_URI: &str = "https://spa.example/callback";

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Codes in a round: they live for a minute, also where the machine is slow.
const CODES_PER_ROUND_MAX: usize = 5_000;

/// P3r: refresh tokens, each of a grant of its own, each used once. P3s: from the browser's session to a code, and from the code to tokens.
pub(super) fn tokens_for_people(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let first = bench.start_product("p3r", Wish::default())?;
    let audience = first.demo().opaque_api.audience.clone();
    first.stop()?;
    bench.apply("p3r", &document(&audience))?;
    let product = bench.start_product("p3r", Wish::default())?;
    let cookie = sign_in(&product)?;
    let per_round = bench.sizes.fresh_tokens.min(CODES_PER_ROUND_MAX);
    let count = per_round * bench.plan.rounds;

    progress.now("asking for codes");
    let path = authorization_path();
    let host = product.endpoint().authority();
    let authorize = Request { method: "GET", path: &path, host, cookie: Some(&cookie), ..Request::default() };
    let mut authorizations = Requests::default();
    (0..count).for_each(|_| authorizations.push(&authorize));
    let codes = RefCell::new(Vec::with_capacity(count));
    let asked = once(bench, &product, &authorizations, &mut |_, response| {
        codes.borrow_mut().push(code_of(response)?);
        Ok(())
    })?;
    let mut redemptions = Requests::default();
    for code in codes.borrow().iter() {
        redemptions.push(&token_request(&product, &redemption(code)));
    }
    let tokens = RefCell::new(Vec::with_capacity(count));
    let redeemed = once(bench, &product, &redemptions, &mut |_, response| {
        tokens.borrow_mut().push(refresh_token_of(response)?);
        Ok(())
    })?;
    ensure!(tokens.borrow().len() == count, "{} refresh tokens instead of {count}", tokens.borrow().len());

    let mut refreshes = Requests::default();
    for token in tokens.borrow().iter() {
        let form =
            format!("grant_type=refresh_token&client_id={CLIENT_ID}&refresh_token={}", form_encode(token));
        refreshes.push(&token_request(&product, &form));
    }
    // One more, whose answer the floor copies.
    let answer = fetch(product.endpoint(), &authorize)?;
    let location = answer.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
    let code = code_in(location.map_or("", |(_, value)| value)).context("the last code")?.to_owned();
    let form = redemption(&code);
    let request = token_request(&product, &form);
    let floor = bench.start_floor("durable floor of refreshes", &product, &request, true)?;
    let mut floor_requests = Requests::default();
    (0..count).for_each(|_| floor_requests.push(&request));
    let mut sides = [
        Side {
            name: "lydian",
            endpoint: product.endpoint(),
            requests: &refreshes,
            process: product.server().id(),
            judge: Box::new(ExpectToken),
        },
        Side {
            name: "durable floor",
            endpoint: floor.endpoint(),
            requests: &floor_requests,
            process: floor.server().id(),
            judge: Box::new(ExpectBody(floor.body())),
        },
    ];
    let results = take_turns(&bench.plan, Shape::Fresh(per_round), &mut sides, progress)?;
    let (lydian, floor) = (&results[0], &results[1]);
    let what = format!("refresh, rotated, opaque, {} connections, plain", bench.plan.connections);
    let sign_in =
        format!("code for a browser that is signed in, {} connections, plain", bench.plan.connections);
    let redeem =
        format!("code for an access and a refresh token, {} connections, plain", bench.plan.connections);
    Ok(vec![
        lydian.throughput_row("P3r", &what, floor, Some(Target::AtLeast(0.50))),
        lydian.cpu_row("P3r", &what, floor, None),
        asked.throughput_row("P3s", &sign_in, floor, None).note("once; the password's hash is apart"),
        redeemed.throughput_row("P3s", &redeem, floor, None).note("once; without an ID token"),
    ])
}

/// Without `openid`: an ID token costs a signature, which says nothing about the store.
fn document(audience: &str) -> String {
    format!(
        "[[client]]\nclient_id = \"{CLIENT_ID}\"\nname = \"Bench\"\nauth_methods = [\"none\"]\n\
         grant_types = [\"authorization_code\", \"refresh_token\"]\nredirect_uris = [\"{REDIRECT_URI}\"]\n\
         issuer_scopes = [\"offline_access\"]\nallowed = {{ \"{audience}\" = [\"read\"] }}\n\
         default_api = \"{audience}\"\nskip_consent = true\n"
    )
}

/// Sends all of them once and keeps the figures as those of a single round.
fn once(
    bench: &Bench,
    product: &Product,
    requests: &Requests,
    judge: &mut dyn FnMut(usize, &Response<'_>) -> Result<(), String>,
) -> Result<Results> {
    let load = Load {
        server: Some(product.server().id()),
        ..Load::once(product.endpoint(), requests, bench.plan.connections)
    };
    let mut judge = |request: usize, response: &Response<'_>| judge(request, response);
    let round = run(&load, &mut judge)?.all_right()?;
    Ok(Results { name: "lydian".to_owned(), rounds: vec![round] })
}

/// The cookies of a browser in which the demo's user is signed in.
fn sign_in(product: &Product) -> Result<String> {
    let host = product.endpoint().authority();
    let page = Request { method: "GET", path: "/oauth2/account", host, ..Request::default() };
    let page = fetch(product.endpoint(), &page)?.ok().context("open the sign-in page")?;
    let html = String::from_utf8_lossy(&page.body).into_owned();
    let flow = html
        .split_once("name=\"flow\" value=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .context("the sign-in page has no hidden field `flow`")?
        .0;
    let (name, password) = &product.demo().person;
    let form = format!(
        "flow={}&username={}&password={}",
        form_encode(flow),
        form_encode(name),
        form_encode(password)
    );
    let browser = cookies(&page);
    let request = Request {
        method: "POST",
        path: "/oauth2/sign-in",
        host,
        cookie: Some(&browser),
        form: Some(&form),
        ..Request::default()
    };
    let answer = fetch(product.endpoint(), &request)?;
    ensure!(answer.status == 303, "the sign-in was answered {}", answer.status);
    Ok(format!("{browser}; {}", cookies(&answer)))
}

/// The cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &Answer) -> String {
    let set = answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let pairs: Vec<&str> = set.filter_map(|(_, value)| value.split(';').next()).collect();
    pairs.join("; ")
}

/// The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3).
fn authorization_path() -> String {
    format!(
        "/oauth2/authorize?response_type=code&client_id={CLIENT_ID}&redirect_uri={}\
         &scope=read+offline_access&code_challenge_method=S256&code_challenge={CHALLENGE}",
        form_encode(REDIRECT_URI)
    )
}

fn redemption(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id={CLIENT_ID}&redirect_uri={}&code_verifier={VERIFIER}&code={}",
        form_encode(REDIRECT_URI),
        form_encode(code)
    )
}

fn token_request<'a>(product: &'a Product, form: &'a str) -> Request<'a> {
    Request {
        method: "POST",
        path: "/oauth2/token",
        host: product.endpoint().authority(),
        form: Some(form),
        ..Request::default()
    }
}

fn code_of(response: &Response<'_>) -> Result<String, String> {
    let fields = fields(response.head);
    let location = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
    let code = location.and_then(|(_, value)| code_in(value)).filter(|_| response.status == 303);
    code.map(str::to_owned).ok_or_else(|| format!("answered {} without a code", response.status))
}

/// The code in the address that a browser is sent to (RFC 6749 §4.1.2).
fn code_in(location: &str) -> Option<&str> {
    let (_, rest) = location.split_once("code=")?;
    rest.split('&').next()
}

fn refresh_token_of(response: &Response<'_>) -> Result<String, String> {
    let body = String::from_utf8_lossy(&response.body);
    let token = body.split_once("\"refresh_token\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let token = token.filter(|_| response.status == 200).map(|(token, _)| token.to_owned());
    token.ok_or_else(|| format!("answered {} {body}", response.status))
}
