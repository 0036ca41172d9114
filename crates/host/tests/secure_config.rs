//! The configuration of what keeps strangers out: TLS, tokens, the networks that the host dials, and what an open address demands.
// Tests fail by panicking, their helpers included.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use host::config::{Config, Loaded, Scope, Sources};
use rcgen::{CertifiedKey, generate_simple_self_signed};

const OPEN: &str = "listen = \"0.0.0.0:7420\"\n";
const TLS: &str = "[tls]\ncert_file = \"cert.pem\"\nkey_file = \"key.pem\"\n";
const MUTUAL: &str = "client_ca_file = \"cert.pem\"\n";
const PROVIDERS: &str = "[[providers]]\nsubject = \"p\"\ncredential_file = \"p.token\"\nnamespaces = [\"*\"]\n";
const CLIENTS: &str = "[[clients]]\nsubject = \"c\"\ntoken_file = \"c.token\"\nscopes = [\"list\", \"call:text.*\"]\n";

fn write(dir: &Path, name: &str, content: &str, mode: u32) {
    std::fs::write(dir.join(name), content).unwrap();
    std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Loads a file beside a certificate with its key, the key of another one, and two tokens; faults as text with `<dir>`.
fn load(file: &str, env: &[(&str, &str)]) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write(dir, "cert.pem", &cert.pem(), 0o644);
    write(dir, "key.pem", &signing_key.serialize_pem(), 0o600);
    write(dir, "other.pem", &other.signing_key.serialize_pem(), 0o600);
    write(dir, "p.token", "provider-token-0123456789\n", 0o600);
    write(dir, "c.token", "client-token-0123456789\n", 0o600);
    write(dir, "open.token", "open-token-0123456789\n", 0o666);
    write(dir, "modrack.toml", file, 0o644);
    let env = [("HOME", "/home/ada")].iter().chain(env).map(|(name, value)| ((*name).into(), (*value).into()));
    let sources = Sources { file: None, working_dir: dir.into(), env: env.collect(), flags: Vec::new(), program: None };
    Config::load(&sources).map_err(|error| error.to_string().replace(&dir.display().to_string(), "<dir>"))
}

#[test]
fn an_open_address_demands_tls_and_a_proof_from_both_sides_and_says_what_is_missing() {
    let tls = "TLS (`tls.cert_file`, `tls.key_file`)";
    let providers = "credentials of providers (`[[providers]]`)";
    let clients = "tokens of clients (`[[clients]]`)";
    for (parts, missing) in [
        (vec![], vec![tls, providers, clients]),
        (vec![TLS], vec![providers, clients]),
        (vec![PROVIDERS, CLIENTS], vec![tls]),
        (vec![TLS, PROVIDERS], vec![clients]),
        (vec![TLS, CLIENTS], vec![providers]),
        (vec![TLS, PROVIDERS, CLIENTS], vec![]),
        (vec![TLS, MUTUAL], vec![]),
        (vec!["insecure_listen = true\n"], vec![]),
    ] {
        let file = format!("{OPEN}{}", parts.concat());
        let expected = match missing.as_slice() {
            [] => String::new(),
            missing => format!(
                "modrack.toml:1: `listen` is `0.0.0.0:7420`, which other machines can reach, without {} (config.listen.insecure)",
                missing.join(", ")
            ),
        };
        assert_eq!(load(&file, &[]).err().unwrap_or_default(), expected, "{file}");
    }
}

#[test]
fn certificates_and_keys_are_tried_before_anything_listens() {
    let missing = "(config.key.missing)";
    let invalid = "(config.tls.invalid)";
    for (file, expected) in [
        ("[tls]\ncert_file = \"cert.pem\"\n", format!("modrack.toml:2: `tls.key_file` is missing {missing}")),
        (
            "[tls]\nclient_ca_file = \"cert.pem\"\n",
            format!(
                "modrack.toml:2: `tls.cert_file` is missing {missing}\nmodrack.toml:2: `tls.key_file` is missing {missing}"
            ),
        ),
        (
            "[tls]\ncert_file = \"no.pem\"\nkey_file = \"key.pem\"\n",
            format!(
                "modrack.toml:2: `tls.cert_file`: `<dir>/no.pem` gives no certificate: I/O error: No such file or directory (os error 2) {invalid}"
            ),
        ),
        (
            "[tls]\ncert_file = \"key.pem\"\nkey_file = \"key.pem\"\n",
            format!("modrack.toml:2: `tls.cert_file`: `<dir>/key.pem` gives no certificate: it holds none {invalid}"),
        ),
        (
            "[tls]\ncert_file = \"cert.pem\"\nkey_file = \"cert.pem\"\n",
            format!("modrack.toml:3: `tls.key_file`: `<dir>/cert.pem` gives no private key: no items found {invalid}"),
        ),
        (
            "[tls]\ncert_file = \"cert.pem\"\nkey_file = \"other.pem\"\n",
            format!(
                "modrack.toml:3: `tls.key_file`: `<dir>/other.pem` does not go with the certificate: keys may not be consistent: KeyMismatch {invalid}"
            ),
        ),
        (
            "[tls]\ncert_file = \"cert.pem\"\nkey_file = \"key.pem\"\nclient_ca_file = \"c.token\"\n",
            format!(
                "modrack.toml:4: `tls.client_ca_file`: `<dir>/c.token` gives no certificate: it holds none {invalid}"
            ),
        ),
        (
            "[unary]\nca_file = \"key.pem\"\n",
            format!("modrack.toml:2: `unary.ca_file`: `<dir>/key.pem` gives no certificate: it holds none {invalid}"),
        ),
    ] {
        assert_eq!(load(file, &[]).unwrap_err(), expected, "{file}");
    }
}

#[test]
fn a_client_is_known_by_a_token_that_is_never_shown() {
    let loaded = load(CLIENTS, &[]).unwrap();
    let [client] = loaded.config.clients.as_slice() else { panic!("{loaded:?}") };
    assert_eq!(client.scopes.iter().map(Scope::to_string).collect::<Vec<_>>(), ["list", "call:text.*"]);
    assert!(client.token.is("client-token-0123456789"));
    let shown = format!("{loaded:?}{:?}", loaded.entries());
    assert!(!shown.contains("client-token") && shown.contains("c.token"), "{shown}");
}

#[test]
fn faults_of_clients_name_the_entry() {
    let file = "[[clients]]\nsubject = \"c\"\ntoken_file = \"open.token\"\nscopes = [\"list\", \"admin\"]\n[[clients]]\nsubject = \"d\"\ntoken_file = \"c.token\"\n";
    insta::assert_snapshot!(load(file, &[("MODRACK_CLIENTS__0__SUBJECT", "x")]).unwrap_err(), @r"
    modrack.toml:3: `clients[0].token_file`: `<dir>/open.token` can be written by everybody (config.credential.unreadable)
    modrack.toml:4: `clients[0].scopes` cannot hold `admin` (config.value.invalid)
    modrack.toml:5: `clients[1].scopes` is missing (config.key.missing)
    env MODRACK_CLIENTS__0__SUBJECT: `MODRACK_CLIENTS__0__SUBJECT` is no key of the configuration (config.key.unknown)
    ");
    let twice = load(&format!("{CLIENTS}{CLIENTS}"), &[]).unwrap_err();
    insta::assert_snapshot!(twice, @"modrack.toml:7: `clients[1].token_file` holds the secret of `c` (config.value.conflict)");
}

#[test]
fn the_networks_that_are_dialled_are_loopback_unless_somebody_says_otherwise() {
    let shown = |file: &str, env: &[(&str, &str)]| {
        let loaded = load(file, env).unwrap();
        loaded.config.unary.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown("", &[]), "127.0.0.0/8 ::1/128");
    assert_eq!(shown("[unary]\nallow = [\"10.1.0.0/16\", \"192.168.1.7\"]\n", &[]), "10.1.0.0/16 192.168.1.7/32");
    assert_eq!(shown("", &[("MODRACK_UNARY__ALLOW", "10.0.0.0/8, ::1")]), "10.0.0.0/8 ::1/128");
    assert_eq!(shown("[unary]\nallow = []\n", &[]), "");
    insta::assert_snapshot!(load("[unary]\nallow = [\"10.0.0.0/33\"]\n", &[]).unwrap_err(), @"modrack.toml:2: `unary.allow` cannot hold `10.0.0.0/33` (config.value.invalid)");
}

#[test]
fn variables_of_clients_are_no_keys_of_the_host() {
    for name in ["MODRACK_TOKEN_FILE", "MODRACK_CA_FILE", "MODRACK_CERT_FILE", "MODRACK_KEY_FILE"] {
        load("", &[(name, "/run/secrets/x")]).unwrap();
    }
}
