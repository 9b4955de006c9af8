//! The configuration of the tunnel: from JSON in base64 to settings that were checked.

use crate::network::tunnel::{Settings, Wanted, from_base64};
use crate::wire::tunnel::WireGuardConfig;

/// Reads and checks a configuration. The error is what is wrong with it.
pub(crate) fn settings(config: &str) -> Result<Settings, String> {
    let json = from_base64(config).map_err(|why| format!("failed to decode base64 configuration: {why}"))?;
    let config = WireGuardConfig::decode(&json).map_err(|error| {
        let why = match error.to_string() {
            // Here it is a whole text, and not the body of a request.
            why if why == "EOF" || why == "unexpected EOF" => "unexpected end of JSON input".to_owned(),
            why => why,
        };
        format!("failed to parse JSON configuration: {why}")
    })?;
    let wanted = Wanted {
        local_ip: config.local_ip,
        peer_endpoint: config.peer_endpoint,
        peer_public_key: config.peer_public_key,
        private_key: config.private_key,
        mtu: config.mtu,
        listen_port: config.listen_port,
        interface_name: config.interface_name,
        allowed_ips: config.allowed_ips,
        persistent_keepalive: config.persistent_keepalive,
        route_all: config.route_all,
    };
    Settings::check(wanted).map_err(|why| format!("invalid configuration: {why}"))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn what_is_no_configuration_is_refused_with_the_known_words() {
        #[track_caller]
        fn check(config: &str, expect: &str) {
            assert_eq!(settings(config).unwrap_err(), expect, "{config}");
        }
        check("!!!", "failed to decode base64 configuration: illegal base64 data at input byte 0");
        let json = |text: &str| BASE64_STANDARD.encode(text);
        let parse = "failed to parse JSON configuration:";
        for (text, why) in [
            ("not json", "invalid character 'o' in literal null (expecting 'u')"),
            (" ", "unexpected end of JSON input"),
            ("{\"mtu\":", "unexpected end of JSON input"),
            (
                "{\"mtu\":\"x\"}",
                "json: cannot unmarshal string into Go struct field WireGuardConfig.mtu of type int",
            ),
            ("[]", "json: cannot unmarshal array into Go value of type network.WireGuardConfig"),
        ] {
            check(&json(text), &format!("{parse} {why}"));
        }
        for text in ["{}", "null", "{\"local_ip\":null,\"unknown\":{}}"] {
            check(&json(text), "invalid configuration: local_ip is required");
        }
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let text = format!(
            r#"{{"local_ip":"10.9.0.1/24","peer_endpoint":"1.2.3.4:1","peer_public_key":"{key}","private_key":"{key}",
                "mtu":1280,"listen_port":2,"interface_name":"wgt0","allowed_ips":["10.9.0.0/24","fd00::/8"],
                "persistent_keepalive":0,"route_all":true}}"#
        );
        let settings = settings(&BASE64_STANDARD.encode(text)).unwrap();
        assert_eq!((settings.mtu, settings.listen_port, settings.keepalive), (1280, 2, 0));
        assert_eq!((settings.interface.as_str(), settings.allowed.len()), ("wgt0", 2));
        assert!(settings.route_all);
    }
}
