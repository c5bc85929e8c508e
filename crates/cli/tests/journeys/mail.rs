//! Mail with the real program: tried by an administrator, and on its way to a person who forgot the password.

use lydian_test_kit::mail_server::{MailServer, Way};

use crate::browser::Browser;
use crate::support::{Place, Server};

const NEW_PASSWORD: &str = "another horse altogether";

/// A server with the demo that sends its mail to this receiver.
fn serve(place: &Place, receiver: &MailServer, tls: &str) -> Server {
    let password = place.write("mail.password", "a password of the mail server\n");
    let file = place.write(
        "mail.toml",
        &format!(
            "[mail]\nhost = \"localhost\"\nport = {}\ntls = {tls:?}\nca_file = {:?}\nfrom = \"no-reply@example.com\"\n\
             username = \"lydian\"\npassword_file = {password:?}\n",
            receiver.port,
            receiver.certificate_file(),
        ),
    );
    place.serve(&["--demo", "--config", file.to_str().unwrap()])
}

#[test]
fn an_administrator_tries_mail_and_a_person_replaces_a_forgotten_password() {
    for (way, tls) in [(Way::Tls, "required"), (Way::StartTls, "starttls")] {
        let place = Place::new();
        let receiver = MailServer::start(way);
        receiver.want_password("a password of the mail server");
        let server = serve(&place, &receiver, tls);
        let said = place.run(&["mail", "test", "admin@example.com"]).ok();
        assert!(said.stdout.contains("took a mail to admin@example.com"), "{said:?}");
        let mail = receiver.next_mail();
        assert_eq!(mail.to, ["admin@example.com"]);
        assert!(mail.over_tls, "{mail:?}");
        let doctor = place.run(&["doctor"]).ok();
        assert!(doctor.stdout.contains(&format!("({tls}) as no-reply@example.com")), "{doctor:?}");

        let demo = server.demo();
        let browser = Browser::new(&place, &server);
        let url = server.url();
        let page = browser.open(&format!("{url}/oauth2/forgotten-password")).page();
        let page = browser.submit(&page, &[("email", &demo["USER_NAME"])], "send-link").page();
        assert!(page.html.contains("Look into your mailbox."), "{}", page.html);
        let link = receiver.next_mail().link(&url);
        let page = browser.open(&link).page();
        let fields = [("new_password", NEW_PASSWORD), ("repeat_password", NEW_PASSWORD)];
        let page = browser.submit(&page, &fields, "save-password").page();
        assert!(page.html.contains("Your password is changed."), "{}", page.html);
        assert!(receiver.next_mail().text().contains("was changed"));
        assert_eq!(browser.open(&link).page().status, 400);
        let page = browser.open(&format!("{url}/oauth2/account")).page();
        let fields = [("username", demo["USER_NAME"].as_str()), ("password", NEW_PASSWORD)];
        let page = browser.submit(&page, &fields, "sign-in").page();
        assert!(page.html.contains(&demo["USER_NAME"]), "{}", page.html);
    }
}

#[test]
fn what_cannot_go_out_is_said_by_the_command_and_by_the_doctor() {
    let place = Place::new();
    let receiver = MailServer::start(Way::Tls);
    receiver.want_password("another password");
    let _server = serve(&place, &receiver, "required");
    place.run(&["mail", "test", "admin@example.com"]).refused(&["could not send a mail", "535"]);
    place.run(&["mail", "test", "nobody"]).refused(&["no address that can be used"]);
    let doctor = place.run(&["doctor"]);
    assert!(doctor.stdout.contains("the last one did not"), "{doctor:?}");
}

#[test]
fn without_mail_an_administrator_makes_a_link_that_works_once() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let demo = server.demo();
    place.run(&["mail", "test", "admin@example.com"]).refused(&["no mail is configured"]);
    let doctor = place.run(&["doctor"]).ok();
    assert!(doctor.stdout.contains("administrators help people who forgot their password"), "{doctor:?}");
    place.run(&["user", "reset-link", "nobody"]).refused(&["there is no user nobody"]);
    let said = place.run(&["user", "reset-link", &demo["USER_NAME"]]).ok();
    let link = said.stdout.lines().find(|line| line.starts_with("https://")).expect("the link stands alone");
    let browser = Browser::new(&place, &server);
    let page = browser.open(link).page();
    let fields = [("new_password", NEW_PASSWORD), ("repeat_password", NEW_PASSWORD)];
    let page = browser.submit(&page, &fields, "save-password").page();
    assert!(page.html.contains("Your password is changed."), "{}", page.html);
    assert_eq!(browser.open(link).page().status, 400);
}

#[test]
fn mail_that_cannot_work_refuses_the_start() {
    let place = Place::new();
    let mail = "mail_host = \"localhost\"\nmail_from = \"a@b.example\"\n";
    for (more, said) in [
        ("mail_username = \"x\"\nmail_password_file = \"absent\"", "absent: No such file"),
        ("mail_ca_file = \"absent\"", "absent: No such file"),
        ("mail_tls = \"off\"", "required, starttls or insecure_plain"),
    ] {
        let file = place.write("lydian.toml", &format!("{mail}{more}\n"));
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()];
        place.run(&arguments).refused(&[said]);
    }
}
