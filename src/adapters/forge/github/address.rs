//! Where the API is, and which addresses belong to it.

use http::HeaderMap;
use reqwest::Url;

use super::wire::Network;
use crate::ports::forge::ForgeError;

/// The address of an API.
#[derive(Debug, Clone)]
pub(super) struct Address {
    base: Url,
}

/// Where a redirect leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To the API's own host.
    Here(Url),
    /// To another one, which may be asked without a token.
    Elsewhere(Url),
}

impl Address {
    /// Reads the base of an API: HTTPS, or HTTP on this machine; no user part, no query.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] with what is wrong with it; the address is not repeated.
    pub(super) fn read(api_url: &str) -> Result<Self, ForgeError> {
        let wrong = |why: &str| ForgeError::Refused(format!("the address of GitHub's API {why}"));
        let mut base = Url::parse(api_url.trim_end_matches('/')).map_err(|_| wrong("is no address"))?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("has a user part; give the token as a token"));
        }
        if base.query().is_some() || base.fragment().is_some() || base.host_str().is_none() {
            return Err(wrong("is more or less than a host and a path"));
        }
        if !(base.scheme() == "https" || (base.scheme() == "http" && is_loopback(&base))) {
            return Err(wrong("is not https, which it must be for any host but this machine"));
        }
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { base })
    }

    /// Says whether it is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }

    /// How far away it is.
    pub(super) fn network(&self) -> Network {
        if self.base.scheme() == "http" { Network::Own } else { Network::Wide }
    }

    /// Host and port, in letters that a file's name may have.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or("unknown");
        let name = match self.base.port() {
            Some(port) => format!("{host}_{port}"),
            None => host.to_owned(),
        };
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
    }

    /// The whole address of a path below the base.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] for what does not begin with a slash or leads out of the base.
    pub(super) fn url(&self, path: &str) -> Result<Url, ForgeError> {
        let refused = || ForgeError::Refused(format!("`{}` is no path of the API", path.escape_debug()));
        if !path.starts_with('/') || path.contains(['#', '\\']) {
            return Err(refused());
        }
        let url = Url::parse(&format!("{}{path}", self.text())).map_err(|_| refused())?;
        (self.is_same_origin(&url) && self.below(&url).is_some()).then_some(url).ok_or_else(refused)
    }

    /// Where GraphQL is asked.
    pub(super) fn graphql(&self) -> Url {
        let mut url = self.base.clone();
        let path = self.base.path().trim_end_matches('/');
        let path = match path.strip_suffix("/api/v3") {
            Some(before) => format!("{before}/api/graphql"),
            None => format!("{path}/graphql"),
        };
        url.set_path(&path);
        url
    }

    /// Where an answer's `location` leads, from `asked`.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] when there is none, or one that must not be asked: not HTTPS, unless both are on this machine, or with a
    /// user part.
    pub(super) fn redirect(&self, headers: &HeaderMap, asked: &Url) -> Result<Place, ForgeError> {
        let refused = |why: &str| ForgeError::Refused(format!("GitHub answered with a redirect {why}"));
        let location = headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| refused("to nowhere"))?;
        let url = asked.join(location).map_err(|_| refused("to what is no address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("to an address with a user part"));
        }
        if self.is_same_origin(&url) {
            return Ok(Place::Here(url));
        }
        if url.scheme() == "https" || (self.is_loopback() && url.scheme() == "http" && is_loopback(&url)) {
            return Ok(Place::Elsewhere(url));
        }
        Err(refused("to an address that is not https"))
    }

    /// The path of the next page, as [`Self::url`] takes it. Its host does not matter: only ours is asked.
    pub(super) fn next(&self, headers: &HeaderMap) -> Option<String> {
        let links = headers.get_all(http::header::LINK);
        let links = links.iter().filter_map(|value| value.to_str().ok());
        let next = links.flat_map(|value| value.split(',')).find(|link| {
            link.split(';').skip(1).any(|word| matches!(word.trim(), "rel=\"next\"" | "rel=next"))
        })?;
        let target = next.split('>').next()?.trim().strip_prefix('<')?;
        let url = self.base.join(target).ok()?;
        let path = self.below(&url)?;
        Some(match url.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        })
    }

    fn text(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn is_same_origin(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }

    /// What of the path lies below the base's.
    fn below<'a>(&self, url: &'a Url) -> Option<&'a str> {
        url.path().strip_prefix(self.base.path().trim_end_matches('/')).filter(|rest| rest.starts_with('/'))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}
