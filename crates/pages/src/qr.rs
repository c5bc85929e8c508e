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

#[cfg(test)]
mod tests {
    use super::*;

    /// The dark modules that the path covers, as (x, y).
    fn covered(path: &str) -> Vec<(usize, usize)> {
        let mut modules = Vec::new();
        for run in path.split('M').skip(1) {
            let (start, shape) = run.split_once('h').unwrap();
            let (x, y) = start.split_once(' ').unwrap();
            let (length, back) = shape.split_once("v1h-").unwrap();
            assert_eq!(back, format!("{length}z"));
            let x: usize = x.parse().unwrap();
            modules.extend((x..x + length.parse::<usize>().unwrap()).map(|x| (x, y.parse().unwrap())));
        }
        modules
    }

    #[test]
    fn the_path_covers_the_dark_modules_of_the_code_and_no_other() {
        let text = "otpauth://totp/a:b?secret=JBSWY3DPEHPK3PXP&issuer=a";
        let picture = draw(text).unwrap();
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let dark = |(position, colour): (usize, Color)| {
            let place = (position % code.width() + QUIET_MODULES, position / code.width() + QUIET_MODULES);
            (colour == Color::Dark).then_some(place)
        };
        let expected: Vec<_> = code.to_colors().into_iter().enumerate().filter_map(dark).collect();
        assert_eq!(covered(&picture.path), expected);
        assert_eq!(picture.modules, code.width() + 2 * QUIET_MODULES);
    }

    #[test]
    fn a_text_that_no_code_can_hold_has_none() {
        assert!(draw(&"a".repeat(10_000)).is_none());
    }
}
