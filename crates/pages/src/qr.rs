//! The QR code of an `otpauth` address, as the path of an SVG picture.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The quiet zone that readers need around the code, in modules (ISO/IEC 18004 §5.3.8).
const QUIET_MODULES: usize = 4;

/// A QR code to draw: a square of `modules` by `modules`, and the path of what is dark in it.
pub(crate) struct QrPicture {
    pub(crate) modules: usize,
    pub(crate) path: String,
}

/// The code of this text; `None` for a text that is longer than a code can hold.
pub(crate) fn draw(text: &str) -> Option<QrPicture> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let colours = code.to_colors();
    let mut path = String::new();
    for (y, row) in colours.chunks(width).enumerate() {
        let mut x = 0;
        // One rectangle for each run of dark modules keeps the picture small.
        for run in row.chunk_by(|one, next| one == next) {
            if run[0] == Color::Dark {
                let length = run.len();
                write!(path, "M{} {}h{length}v1h-{length}z", x + QUIET_MODULES, y + QUIET_MODULES).ok()?;
            }
            x += run.len();
        }
    }
    Some(QrPicture { modules: width + 2 * QUIET_MODULES, path })
}
