//! P3: what it costs to issue a token that is durable when it is answered.

use anyhow::Result;

use crate::bench::{Bench, Wish};
use crate::generator::Pace;
use crate::peers::Peer;
use crate::product::Product;
use crate::progress::Progress;
use crate::report::{Row, Target};
use crate::requests::{Request, Requests};
use crate::rounds::{ExpectBody, ExpectToken, Shape, Side, take_turns};

/// P3: client_credentials with opaque tokens.
pub(super) fn opaque(bench: &Bench, progress: &Progress) -> Result<Vec<Row>> {
    let product = bench.start_product("p3", Wish::default())?;
    let form = Product::token_form(&product.demo().opaque_api);
    let request = Request {
        method: "POST",
        path: "/oauth2/token",
        host: product.endpoint().authority(),
        authorization: Some(&product.demo().application.authorization),
        cookie: None,
        form: Some(&form),
    };
    let floor = bench.start_floor("durable floor", &product, &request, true)?;
    let requests = Requests::one(&request);
    let peer = if bench.peers { Peer::start(bench, progress)? } else { None };
    let peer_requests = peer.as_ref().map(Peer::token_requests);
    let mut sides = vec![
        Side {
            name: "lydian",
            endpoint: product.endpoint(),
            requests: &requests,
            process: product.server().id(),
            judge: Box::new(ExpectToken),
        },
        Side {
            name: "durable floor",
            endpoint: floor.endpoint(),
            requests: &requests,
            process: floor.server().id(),
            judge: Box::new(ExpectBody(floor.body())),
        },
    ];
    if let (Some(peer), Some(requests)) = (&peer, &peer_requests) {
        sides.push(peer.side(requests, Box::new(ExpectToken)));
    }
    let results = take_turns(&bench.plan, Shape::Repeated(Pace::Closed), &mut sides, progress)?;
    let what = format!("client_credentials, opaque, {} connections, plain", bench.plan.connections);
    let (lydian, floor) = (&results[0], &results[1]);
    let mut rows = vec![
        lydian.throughput_row("P3", &what, floor, Some(Target::AtLeast(0.60))),
        lydian.cpu_row("P3", &what, floor, None),
    ];
    if let Some(peer) = results.get(2) {
        rows.push(
            lydian
                .throughput_row("P3", &format!("{what}, beside a peer"), peer, None)
                .note("the peer keeps tokens in memory alone"),
        );
    }
    Ok(rows)
}
