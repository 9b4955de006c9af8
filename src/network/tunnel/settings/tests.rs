//! Every sentence of the check, by table.

use proptest::prelude::*;

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn wanted() -> Wanted {
    Wanted {
        local_ip: "10.9.0.1/32".into(),
        peer_endpoint: "127.0.0.1:51999".into(),
        peer_public_key: KEY.into(),
        private_key: KEY.into(),
        ..Wanted::default()
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Wanted), expect: &str) {
    let mut wanted = wanted();
    change(&mut wanted);
    assert_eq!(Settings::check(wanted).unwrap_err(), expect);
}

#[test]
fn what_is_not_said_has_a_default() {
    let settings = Settings::check(wanted()).unwrap();
    assert_eq!((settings.mtu, settings.listen_port, settings.keepalive), (1420, 51820, 25));
    assert_eq!((settings.interface.as_str(), settings.route_all), ("wg0", false));
    assert_eq!(settings.allowed, [Network::parse("0.0.0.0/0").unwrap()]);
    assert_eq!(settings.endpoint(), Ok("127.0.0.1:51999".parse().unwrap()));
    assert_eq!(settings.private_key()[31], 31);
    assert!(!format!("{settings:?}").contains(KEY));
    let off = Wanted { persistent_keepalive: Some(0), ..wanted() };
    assert_eq!(Settings::check(off).unwrap().keepalive, 0);
}

#[test]
fn what_makes_no_sense_is_said_in_order() {
    check(|w| *w = Wanted::default(), "local_ip is required");
    let cidr = "local_ip must be in CIDR notation (e.g., 10.0.0.1/32): invalid CIDR address:";
    for bad in [
        "10.0.0.1",
        "x/y",
        "10.0.0.1/33",
        "10.0.0.1/+1",
        "010.0.0.1/8",
        "::1/129",
        "1.2.3.4/",
        "/8",
        "fe80::1%lo/64",
    ] {
        check(|w| w.local_ip = bad.into(), &format!("{cidr} {bad}"));
    }
    check(|w| w.peer_endpoint.clear(), "peer_endpoint is required");
    let format = "peer_endpoint must be in host:port format (e.g., 1.2.3.4:51820): address";
    for (bad, why) in [
        ("1.2.3.4", "missing port in address"),
        ("::1", "too many colons in address"),
        ("[::1", "missing ']' in address"),
        ("[::1]", "missing port in address"),
        ("[::1]x:1", "missing port in address"),
        ("[::1]:1:2", "too many colons in address"),
        ("a[b:1", "unexpected '[' in address"),
        ("a]b:1", "unexpected ']' in address"),
    ] {
        check(|w| w.peer_endpoint = bad.into(), &format!("{format} {bad}: {why}"));
    }
    check(|w| w.peer_public_key.clear(), "peer_public_key is required");
    let base64 = "not valid base64: illegal base64 data at input byte";
    for (bad, at) in [("xx", 0), ("@@", 0), ("AAAAx", 4), ("AAA@", 3), ("AA=A", 2), ("AAAA=", 4)] {
        check(|w| w.peer_public_key = bad.into(), &format!("invalid peer_public_key: {base64} {at}"));
    }
    check(|w| w.peer_public_key = "AAAA".into(), "invalid peer_public_key: expected 32 bytes, got 3");
    check(|w| w.private_key.clear(), "private_key is required");
    check(|w| w.private_key = "@@".into(), &format!("invalid private_key: {base64} 0"));
    check(|w| w.private_key = "AA==".into(), "invalid private_key: expected 32 bytes, got 1");
    check(|w| w.allowed_ips = vec!["x".into()], "invalid allowed_ip \"x\": invalid CIDR address: x");
    for bad in [5, 67, 65536, -1] {
        check(|w| w.mtu = bad, &format!("mtu must be between 68 and 65535, got {bad}"));
    }
    check(|w| w.listen_port = 65536, "listen_port must be between 0 and 65535, got 65536");
    check(|w| w.persistent_keepalive = Some(-1), "persistent_keepalive must be between 0 and 65535, got -1");
}

#[test]
fn an_endpoint_is_an_address_and_a_port() {
    #[track_caller]
    fn check(endpoint: &str, expect: Result<&str, &str>) {
        let settings = Settings::check(Wanted { peer_endpoint: endpoint.into(), ..wanted() }).unwrap();
        let expect = expect.map(|address| address.parse().unwrap()).map_err(str::to_owned);
        assert_eq!(settings.endpoint(), expect);
    }
    check("[::1]:5", Ok("[::1]:5"));
    check(
        "not-an-ip:51",
        Err("failed to set endpoint not-an-ip:51: ParseAddr(\"not-an-ip\"): unable to parse IP"),
    );
    for bad in ["", "x", "65536", "+1", "-1"] {
        check(
            &format!("1.2.3.4:{bad}"),
            Err(&format!(
                "failed to set endpoint 1.2.3.4:{bad}: invalid port \"{bad}\" parsing \"1.2.3.4:{bad}\""
            )),
        );
    }
}

#[test]
fn a_network_contains_its_addresses() {
    let net = |text: &str| Network::parse(text).unwrap();
    let contains = |text: &str, address: &str| net(text).contains(address.parse().unwrap());
    assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1"));
    assert!(contains("10.9.0.0/16", "10.9.255.1") && !contains("10.9.0.0/16", "10.10.0.1"));
    assert!(contains("10.9.0.1/32", "10.9.0.1") && !contains("10.9.0.1/32", "10.9.0.2"));
    assert!(contains("::/0", "::1") && contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe80::1"));
    assert_eq!(net("10.9.3.7/16").first(), "10.9.0.0".parse::<IpAddr>().unwrap());
    assert_eq!(net("fd12::7/8").first(), "fd00::".parse::<IpAddr>().unwrap());
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC*", number: i64) {
        for field in 0..5 {
            let mut wanted = Wanted { mtu: number, listen_port: number, ..wanted() };
            match field {
                0 => wanted.local_ip.clone_from(&text),
                1 => wanted.peer_endpoint.clone_from(&text),
                2 => wanted.peer_public_key.clone_from(&text),
                3 => wanted.private_key.clone_from(&text),
                _ => wanted.allowed_ips = vec![text.clone()],
            }
            if let Ok(settings) = Settings::check(wanted) {
                settings.endpoint().ok();
            }
        }
    }
}
