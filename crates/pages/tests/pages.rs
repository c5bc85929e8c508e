//! What holds for every page: no value becomes markup, forms are whole, and people who do not see or use a mouse are not left out.

use std::collections::BTreeSet;

use document::Document;
use lydian_pages::views::{
    Application, Consent, ErrorCause, ErrorPage, FormPost, Notice, NoticePage, SecondFactor, SignIn,
};
use lydian_pages::{Brand, Colour, Frame, Language, Page, WebLink, assets};
use samples::Sample;

mod document;
mod samples;

const ASSETS_PATH: &str = "/oauth2/assets";

/// What would break out of text, of both kinds of quotes, and of a script.
const HOSTILE: &str = "</title></p>-->]]><script>\"'&amp;<img src=x onerror=alert(1)> {{ 1 }}";

fn samples_of(language: Language) -> Vec<Sample> {
    samples::every_page(language, Colour::DEFAULT_ACCENT, ASSETS_PATH, &mut str::to_owned)
}

/// Asks the same of every page in every language.
#[track_caller]
fn each_page(ask: impl Fn(&str, &Document, &Sample)) {
    for language in Language::ALL {
        for sample in samples_of(language) {
            let name = format!("{} in {language:?}", sample.name);
            ask(&name, &Document::parse(&sample.page.html()), &sample);
        }
    }
}

fn frame(language: Language) -> Frame<'static> {
    Frame::new(language, Brand::named("Harbour Town"), ASSETS_PATH)
}

#[test]
fn no_text_of_any_field_becomes_markup_and_none_is_lost() {
    for language in Language::ALL {
        let mut fields = Vec::new();
        let mut hostile = |text: &str| {
            fields.push(format!("{text}{HOSTILE}{};", fields.len()));
            fields[fields.len() - 1].clone()
        };
        let attacked = samples::every_page(language, Colour::DEFAULT_ACCENT, ASSETS_PATH, &mut hostile);
        let mut said = String::new();
        for (attacked, harmless) in attacked.iter().zip(samples_of(language)) {
            let attacked_document = Document::parse(&attacked.page.html());
            let harmless_document = Document::parse(&harmless.page.html());
            assert_eq!(attacked_document.shape(), harmless_document.shape(), "{}", attacked.name);
            said += &attacked_document.everything_said();
        }
        assert!(fields.len() > 400, "{}", fields.len());
        // Keys that are typed by hand are shown in groups.
        let without_spaces = |text: &str| text.replace(' ', "");
        let said = without_spaces(&said);
        for field in fields {
            assert!(said.contains(&without_spaces(&field)), "no page shows {field}");
        }
    }
}

#[test]
fn scripts_and_styles_come_only_from_files_that_the_crate_holds() {
    let is_asset = |address: &str| {
        address
            .strip_prefix(ASSETS_PATH)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|name| assets::find(name).is_some())
    };
    each_page(|name, document, _| {
        for element in &document.elements {
            for (attribute, value) in &element.attributes {
                assert!(
                    attribute != "style" && !attribute.starts_with("on"),
                    "{attribute}=\"{value}\" on {name}"
                );
            }
            match element.name.as_str() {
                "script" => {
                    assert!(element.attribute("src").is_some_and(is_asset), "{name}");
                    assert_eq!(element.text, "", "{name}");
                }
                "link" => assert!(element.attribute("href").is_some_and(is_asset), "{name}"),
                "style" | "iframe" | "object" | "embed" | "base" => panic!("{} on {name}", element.name),
                _ => {}
            }
        }
        assert_eq!(document.all("link").count(), 2, "{name}");
    });
}

#[test]
fn every_page_has_a_language_one_heading_and_a_title() {
    for language in Language::ALL {
        for sample in samples_of(language) {
            let document = Document::parse(&sample.page.html());
            let name = sample.name;
            assert_eq!(document.elements[0].attribute("lang"), Some(language.tag()), "{name}");
            assert_eq!(document.all("h1").count(), 1, "{name}");
            assert_eq!(document.all("main").count(), 1, "{name}");
            let heading = document.all("h1").next().unwrap().text.trim().to_owned();
            let title = document.all("title").next().unwrap().text.clone();
            assert_eq!(title, format!("{heading} \u{b7} Harbour Town"), "{name}");
        }
    }
}

#[test]
fn every_form_is_posted_with_its_hidden_inputs_and_a_button() {
    each_page(|name, document, sample| {
        for form in document.all("form") {
            assert_eq!(form.attribute("method"), Some("post"), "{name}");
            assert!(form.attribute("action").is_some_and(|action| !action.is_empty()), "{name}");
            let inside = document.below(form);
            for (hidden, value) in sample.hidden {
                let is_it = |element: &&&document::Element| {
                    element.attribute("type") == Some("hidden")
                        && element.attribute("name") == Some(hidden)
                        && element.attribute("value") == Some(value)
                };
                assert_eq!(inside.iter().filter(is_it).count(), 1, "{hidden} on {name}");
            }
            let buttons: Vec<_> = inside.iter().filter(|element| element.name == "button").collect();
            assert!(!buttons.is_empty(), "{name}");
            for button in buttons {
                assert!(!button.text.trim().is_empty() && button.has("type"), "{name}");
            }
        }
    });
}

#[test]
fn every_input_that_is_seen_has_a_label_and_a_purpose() {
    each_page(|name, document, _| {
        let labels: BTreeSet<_> = document.all("label").filter_map(|label| label.attribute("for")).collect();
        for input in document
            .all("input")
            .filter(|input| input.attribute("type") != Some("hidden") && !input.has("hidden"))
        {
            let id = input.attribute("id").unwrap();
            assert!(labels.contains(id), "{id} on {name}");
            assert_eq!(input.attribute("name"), Some(id), "{name}");
            assert!(input.has("autocomplete") && input.has("required"), "{id} on {name}");
        }
        assert!(document.elements.iter().filter(|element| element.has("autofocus")).count() <= 1, "{name}");
    });
}

#[test]
fn ids_are_unique_and_what_is_pointed_at_exists() {
    each_page(|name, document, _| {
        let ids: Vec<_> = document.elements.iter().filter_map(|element| element.attribute("id")).collect();
        let unique: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?} on {name}");
        for element in &document.elements {
            for attribute in ["for", "aria-describedby", "aria-labelledby"] {
                for id in
                    element.attribute(attribute).unwrap_or_default().split(' ').filter(|id| !id.is_empty())
                {
                    assert!(unique.contains(id), "{attribute}={id} on {name}");
                }
            }
            if let Some(id) = element.attribute("href").and_then(|address| address.strip_prefix('#')) {
                assert!(unique.contains(id), "#{id} on {name}");
            }
        }
    });
}

#[test]
fn what_went_wrong_is_announced() {
    each_page(|name, document, _| {
        for element in &document.elements {
            if element.attribute("class") == Some("alert") && !element.has("data-passkey-unsupported") {
                assert_eq!(element.attribute("role"), Some("alert"), "{name}");
            }
        }
        let invalid =
            document.elements.iter().filter(|element| element.attribute("aria-invalid") == Some("true"));
        for input in invalid {
            let described = input.attribute("aria-describedby").unwrap_or_default();
            assert!(described.split(' ').any(|id| id == "problem"), "{name}");
        }
    });
}

#[test]
fn no_text_of_one_language_stands_on_a_page_of_another() {
    for (english, german) in samples_of(Language::English).iter().zip(samples_of(Language::German)) {
        let english_document = Document::parse(&english.page.html());
        let german_document = Document::parse(&german.page.html());
        let english_heading = &english_document.all("h1").next().unwrap().text;
        let german_heading = &german_document.all("h1").next().unwrap().text;
        assert_ne!(english_heading, german_heading, "{}", english.name);
        assert_eq!(english_document.shape(), german_document.shape(), "{}", english.name);
    }
}

#[test]
fn buttons_and_inputs_have_the_names_that_are_promised() {
    let promised: &[(&str, &[&str])] = &[
        ("sign-in", &["username", "password", "sign-in", "passkey", "forgot-password"]),
        ("second-factor", &["code", "verify", "recovery_code", "check-recovery-code", "passkey", "not-you"]),
        ("authenticator", &["code", "verify", "secret", "passkey-instead", "cancel"]),
        ("recovery-codes", &["codes", "codes-kept"]),
        ("confirmation", &["password", "confirm-password", "code", "verify", "cancel"]),
        ("passkey", &["name", "passkey", "authenticator-instead", "cancel"]),
        ("consent", &["allow", "deny", "not-you"]),
        ("device", &["user_code", "continue"]),
        ("device-confirmation", &["user_code", "allow", "deny", "not-you"]),
        ("forgotten-password", &["email", "send-link", "back-to-sign-in"]),
        ("new-password", &["new_password", "repeat_password", "save-password"]),
        (
            "account",
            &[
                "sessions",
                "applications",
                "factors",
                "password",
                "log-out",
                "add-authenticator",
                "add-passkey",
            ],
        ),
        (
            "account",
            &["new-recovery-codes", "current_password", "new_password", "repeat_password", "save-password"],
        ),
        ("account", &["address", "send-address-link"]),
        ("confirm-address", &["confirm-address"]),
        ("log-out", &["log-out", "stay"]),
        ("form-post", &["response", "continue"]),
    ];
    for (page, ids) in promised {
        let sample = samples_of(Language::English).into_iter().find(|sample| sample.name == *page).unwrap();
        let document = Document::parse(&sample.page.html());
        for id in *ids {
            assert!(document.with_id(id).is_some(), "{id} on {page}");
        }
        for button in document.all("button").filter(|button| button.has("value")) {
            assert_eq!(button.attribute("name"), Some("decision"), "{page}");
            assert_eq!(button.attribute("value"), button.attribute("id"), "{page}");
        }
    }
}

#[test]
fn every_cause_and_every_notice_has_its_own_phrase_in_every_language() {
    let mut phrases = BTreeSet::new();
    for language in Language::ALL {
        for cause in ErrorCause::ALL {
            let html = ErrorPage::new(frame(language), cause).html();
            let phrase = cause.phrase(language);
            assert_eq!(Document::parse(&html).with_id("problem").unwrap().text, phrase);
            assert!(html.contains(cause.next_step(language)), "{cause:?}");
            assert!(phrases.insert(phrase), "{phrase}");
        }
        for notice in Notice::ALL {
            let page = NoticePage { frame: frame(language), notice, go_on: None, back_to: None };
            let phrase = notice.phrase(language);
            assert_eq!(Document::parse(&page.html()).all("h1").next().unwrap().text, phrase);
            assert!(phrases.insert(phrase), "{phrase}");
        }
    }
    assert_eq!(phrases.len(), Language::ALL.len() * (ErrorCause::ALL.len() + Notice::ALL.len()));
}

#[test]
fn a_wait_is_rounded_up() {
    let texts = [
        (0, "5 seconds"),
        (1, "5 seconds"),
        (30, "30 seconds"),
        (120, "120 seconds"),
        (121, "3 minutes"),
        (600, "10 minutes"),
    ];
    for (seconds, expected) in texts {
        let page = ErrorPage {
            wait_seconds: Some(seconds),
            ..ErrorPage::new(frame(Language::English), ErrorCause::TooManyRequests)
        };
        assert!(page.html().contains(&format!("Please try again in {expected}.")), "{seconds}");
    }
}

#[test]
fn logos_are_shown_from_protected_addresses_only() {
    let images = |address: &str| {
        let logo = WebLink::parse(address);
        let brand = Brand { logo, ..Brand::named("Harbour Town") };
        let page = Consent {
            frame: Frame::new(Language::English, brand, ASSETS_PATH),
            action: "/consent",
            hidden: &[],
            application: Application { logo, ..Application::named("Ferry Planner") },
            apis: &[],
            username: "marit",
            not_you: None,
        };
        let document = Document::parse(&page.html());
        document.all("img").map(|image| image.attribute("src").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(images("https://a.example/logo.png?a=b&c=d"), ["https://a.example/logo.png?a=b&c=d"; 2]);
    assert!(images("http://a.example/logo.png").is_empty());
    assert!(images("javascript:alert(1)").is_empty());
}

#[test]
fn links_to_the_outside_tell_it_nothing() {
    each_page(|name, document, _| {
        for link in document.all("a").filter(|link| link.has("target")) {
            assert_eq!(link.attribute("rel"), Some("noopener noreferrer"), "{name}");
        }
    });
}

#[test]
fn the_response_for_a_client_is_carried_byte_by_byte() {
    let action = WebLink::parse("https://ferry.example/cb?a=1&b=%22").unwrap();
    let parameters = [("code", "a+b/c=&\"'<>"), ("state", " \u{e4}\u{1f600} "), ("error_description", "")];
    let page = FormPost { frame: frame(Language::English), action, parameters: &parameters };
    let document = Document::parse(&page.html());
    let form = document.with_id("response").unwrap();
    assert_eq!(form.attribute("action"), Some(action.as_str()));
    let sent: Vec<_> = document
        .below(form)
        .into_iter()
        .filter(|element| element.name == "input")
        .map(|input| (input.attribute("name").unwrap(), input.attribute("value").unwrap()))
        .collect();
    assert_eq!(sent, parameters);
}

#[test]
fn the_first_field_to_fill_has_the_focus() {
    for (username, expected) in [("", "username"), ("marit", "password")] {
        let page = SignIn {
            frame: frame(Language::English),
            action: "/sign-in",
            hidden: &[],
            application: None,
            username,
            problem: None,
            forgotten_password: None,
            passkey: None,
        };
        let document = Document::parse(&page.html());
        let focused: Vec<_> = document
            .elements
            .iter()
            .filter(|one| one.has("autofocus"))
            .map(|one| one.attribute("id"))
            .collect();
        assert_eq!(focused, [Some(expected)]);
    }
}

#[test]
fn a_second_factor_that_is_not_offered_is_not_shown() {
    let page = SecondFactor {
        frame: frame(Language::English),
        action: "/second-factor",
        hidden: &[],
        username: "marit",
        authenticator: true,
        recovery: false,
        passkey: None,
        problem: None,
        not_you: None,
    };
    let document = Document::parse(&page.html());
    assert!(document.with_id("code").is_some());
    for id in ["recovery_code", "passkey", "not-you"] {
        assert!(document.with_id(id).is_none(), "{id}");
    }
    assert_eq!(document.all("script").count(), 0);
}
