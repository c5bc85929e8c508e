//! `GET /oauth2/assets/...`: the style sheets and scripts of the pages.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::answer_body::AnswerBody;
use crate::error_response::Problem;
use crate::{Answer, response};

/// Names carry a digest of what they name, so that a browser never has to ask again.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The asset of this name.
///
/// # Errors
///
/// [`Problem::NotFound`].
pub fn handle(path: &str) -> Result<Answer, Problem> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let found = lydian_pages::assets::find(name).ok_or(Problem::NotFound)?;
    let mut answer = Response::new(AnswerBody::from(found.bytes.into_owned()));
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(found.content_type));
    headers.insert(CACHE_CONTROL, FOR_EVER);
    response::harden(headers);
    Ok(answer)
}
