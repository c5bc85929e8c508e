//! Writes every page as a file, with its assets, to be looked at in a browser: `cargo run -p lydian-pages --example gallery -- DIR`.

use std::path::PathBuf;
use std::{env, fs, io};

use lydian_pages::{Colour, Language, assets, brand};

// Its other half serves the tests.
#[allow(dead_code)]
#[path = "../tests/samples/mod.rs"]
mod samples;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from).ok_or_else(|| io::Error::other("name a folder"))?;
    let accent = match env::args().nth(2) {
        Some(text) => Colour::parse(&text).ok_or_else(|| io::Error::other("a colour is written #rrggbb"))?,
        None => Colour::DEFAULT_ACCENT,
    };
    let assets_folder = folder.join("assets");
    fs::create_dir_all(&assets_folder)?;
    for asset in assets::ALL {
        fs::write(assets_folder.join(asset.file_name()), asset.bytes)?;
    }
    let brand_name = format!("brand-{}.css", accent.to_string().trim_start_matches('#'));
    fs::write(assets_folder.join(brand_name), brand::brand_css(accent))?;
    for language in Language::ALL {
        // The pages lie one folder below the assets, and are opened without a server.
        let pages_folder = folder.join(language.tag());
        fs::create_dir_all(&pages_folder)?;
        for sample in samples::every_page(language, accent, "../assets", &mut str::to_owned) {
            fs::write(pages_folder.join(format!("{}.html", sample.name)), sample.page.html())?;
        }
    }
    Ok(())
}
