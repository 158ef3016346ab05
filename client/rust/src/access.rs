//! Where the broker is, and with which keys to talk to it (TRANSPORT.md, "Keys").

use std::os::unix::fs::MetadataExt;

use crate::error::{Error, Result};

/// The keys of a CURVE connection: 40 characters of Z85 each.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The broker's public key.
    pub server: String,
    /// This peer's public key.
    pub public: String,
    /// This peer's secret key.
    pub secret: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)") // a secret does not belong into a log
    }
}

/// What a peer needs to talk to a broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// `ipc://PATH` or `tcp://HOST:PORT`.
    pub endpoint: String,
    /// The keys of tcp; none: nothing is encrypted.
    pub keys: Option<Keys>,
    /// Where a broker asks for one.
    pub token: String,
}

/// A variable of the environment that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)
        .map(|text| text.to_string_lossy().into_owned())
        .filter(|text| !text.is_empty())
}

impl Access {
    /// Reads BELLIS_ENDPOINT, and BELLIS_SERVER_KEY, BELLIS_PUBLIC_KEY, BELLIS_SECRET_KEY and
    /// BELLIS_TOKEN, or else the access file that BELLIS_ACCESS names. The endpoint stays empty if
    /// none of them says it. Errors: Settings, which names the variable or the file.
    pub fn from_environment() -> Result<Access> {
        let endpoint = variable("BELLIS_ENDPOINT");
        let texts = [
            "BELLIS_SERVER_KEY",
            "BELLIS_PUBLIC_KEY",
            "BELLIS_SECRET_KEY",
        ];
        let keys = keys_of(texts.map(|name| (name, variable(name).unwrap_or_default())))?;
        let token = variable("BELLIS_TOKEN").unwrap_or_default();
        let mut access = match variable("BELLIS_ACCESS") {
            Some(path) if keys.is_none() && token.is_empty() => Access::from_file(&path)?,
            _ => Access {
                endpoint: String::new(),
                keys,
                token,
            },
        };
        if let Some(endpoint) = endpoint {
            access.endpoint = endpoint;
        }
        Ok(access)
    }

    /// Reads an access file. Errors: Settings, if it cannot be read, if another user may read it,
    /// or if it is not an access file; the text names the path.
    pub fn from_file(path: &str) -> Result<Access> {
        let wrong = |what: String| Error::Settings(format!("access file {} {}", path, what));
        let about = std::fs::metadata(path).map_err(|e| wrong(format!("cannot be read: {}", e)))?;
        if about.mode() & 0o077 != 0 {
            let mode = about.mode() & 0o777;
            return Err(wrong(format!(
                "has mode {:04o}; 0600 is expected: chmod 600 {}",
                mode, path
            )));
        }
        let text =
            std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot be read: {}", e)))?;
        let json: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| wrong(format!("is not JSON: {}", e)))?;
        let field = |name: &str| match json.get(name) {
            None => Ok(String::new()),
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(wrong(format!("has a {} that is no string", name))),
        };
        let names = ["server_key", "public_key", "secret_key"];
        let texts = [field(names[0])?, field(names[1])?, field(names[2])?];
        let [server, public, secret] = texts;
        let keys = keys_of([(names[0], server), (names[1], public), (names[2], secret)])
            .map_err(|error| wrong(format!("is wrong: {}", error)))?;
        let access = Access {
            endpoint: field("endpoint")?,
            keys,
            token: field("token")?,
        };
        if access.keys.is_none() && access.token.is_empty() {
            return Err(wrong("has neither keys nor a token".into()));
        }
        Ok(access)
    }
}

fn keys_of(named: [(&str, String); 3]) -> Result<Option<Keys>> {
    if named.iter().all(|(_, text)| text.is_empty()) {
        return Ok(None);
    }
    for (name, text) in &named {
        // The message does not show the value, which may be a secret.
        if text.len() != 40 || zmq::z85_decode(text).is_err() {
            return Err(Error::Settings(format!(
                "{} has {} characters; all three keys are expected, each of 40 characters of Z85",
                name,
                text.len()
            )));
        }
    }
    let [server, public, secret] = named.map(|(_, text)| text);
    Ok(Some(Keys {
        server,
        public,
        secret,
    }))
}

/// Errors: Settings, for what is no endpoint of the protocol.
pub(crate) fn check_endpoint(endpoint: &str) -> Result<()> {
    let known = match endpoint.split_once("://") {
        Some(("ipc", path)) => !path.is_empty() && path.len() <= 107 && !path.starts_with('@'),
        Some(("tcp", address)) => address.rsplit_once(':').map_or(false, |(host, port)| {
            !host.is_empty()
                && !address.contains([';', '*'])
                && port.parse::<u16>().map_or(false, |n| n > 0)
        }),
        _ => false,
    };
    if known {
        return Ok(());
    }
    let accepted =
        "ipc://PATH (107 bytes at most) or tcp://HOST:PORT is expected; set BELLIS_ENDPOINT";
    Err(Error::Settings(format!(
        "the endpoint is '{}'; {}",
        endpoint, accepted
    )))
}

/// The endpoint at which a broker of this user listens if nobody says another.
pub(crate) fn default_endpoint() -> String {
    let user = crate::os::user_id();
    let runtime = variable("XDG_RUNTIME_DIR").filter(|path| {
        path.starts_with('/') && std::fs::metadata(path).map_or(true, |about| about.uid() == user)
    });
    match runtime {
        Some(path) => format!("ipc://{}/bellis/broker.sock", path),
        None => format!("ipc:///tmp/bellis-{}/broker.sock", user),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    fn read(name: &str, mode: u32, text: &str) -> std::result::Result<Access, String> {
        let path = std::env::temp_dir().join(format!("bellis-{}-{}", std::process::id(), name));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let access = Access::from_file(path.to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        access.map_err(|error| error.to_string())
    }

    #[test]
    fn an_access_file_has_keys_or_a_token() {
        let keys = format!(
            r#"{{"endpoint": "tcp://h:1", "server_key": "{0}", "public_key": "{0}", "secret_key": "{0}"}}"#,
            KEY
        );
        let access = read("keys", 0o600, &keys).unwrap();
        assert_eq!(access.endpoint, "tcp://h:1");
        assert_eq!(access.keys.as_ref().unwrap().secret, KEY);
        assert!(!format!("{:?}", access).contains(KEY));
        let access = read("token", 0o600, r#"{"token": "t", "role": "owner"}"#).unwrap();
        assert_eq!((access.token.as_str(), access.keys), ("t", None));
    }

    #[test]
    fn what_is_no_access_file_is_refused_by_name() {
        let refused = [
            (
                "open",
                0o644,
                r#"{"token": "t"}"#,
                "has mode 0644; 0600 is expected",
            ),
            ("text", 0o600, "token", "is not JSON"),
            ("empty", 0o600, "{}", "has neither keys nor a token"),
            (
                "number",
                0o600,
                r#"{"token": 1}"#,
                "has a token that is no string",
            ),
            (
                "short",
                0o600,
                r#"{"server_key": "secret"}"#,
                "server_key has 6 characters",
            ),
        ];
        for (name, mode, text, why) in refused {
            let error = read(name, mode, text).unwrap_err();
            assert!(error.contains(why) && error.contains(name), "{}", error);
            assert!(!error.contains("secret\""), "{}", error);
        }
        let gone = Access::from_file("/nowhere/access")
            .unwrap_err()
            .to_string();
        assert!(
            gone.starts_with("access file /nowhere/access cannot be read"),
            "{}",
            gone
        );
    }
}
