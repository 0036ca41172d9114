//! The secret that proves a caller: a token from a file or a provider's live session token. Never prints it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tonic::metadata::{Ascii, MetadataValue};

use crate::error::{Category, Error};

/// What is sent as `authorization`. It prints as `Sensitive`.
type Header = MetadataValue<Ascii>;

/// Where the token of a caller comes from. Cheap to clone; clones see what one of them has read anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bearer(Option<Arc<Source>>);

#[derive(Debug)]
struct Source {
    /// `None` for a token that somebody else keeps current.
    file: Option<PathBuf>,
    header: RwLock<Option<Header>>,
}

impl Bearer {
    /// No token: for a host that asks for none.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The token in a file.
    ///
    /// # Errors
    /// `client.credential.unreadable`.
    pub(crate) async fn from_file(path: PathBuf) -> Result<Self, Error> {
        let header = RwLock::new(Some(read(&path).await?));
        Ok(Self(Some(Arc::new(Source { file: Some(path), header }))))
    }

    /// A token that [`Bearer::set`] keeps current.
    pub(crate) fn live() -> Self {
        Self(Some(Arc::new(Source { file: None, header: RwLock::new(None) })))
    }

    /// Takes over a token. One that no header can hold is none that the host gave.
    pub(crate) fn set(&self, token: &str) {
        if let Some(source) = &self.0 {
            source.put(header(token));
        }
    }

    /// What to send now.
    pub(crate) fn header(&self) -> Option<Header> {
        self.0.as_ref()?.header.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a refused token may have been replaced meanwhile.
    pub(crate) fn is_renewable(&self) -> bool {
        self.0.as_ref().is_some_and(|source| source.file.is_some())
    }

    /// Reads the file anew; says whether it holds another token than the one that was refused.
    pub(crate) async fn renew(&self, refused: Option<&Header>) -> bool {
        let Some((source, path)) = self.0.as_ref().and_then(|s| Some((s, s.file.as_ref()?))) else { return false };
        match read(path).await {
            Ok(header) => {
                let other = refused != Some(&header);
                source.put(Some(header));
                other
            }
            Err(error) => {
                tracing::warn!("the token was refused and cannot be read anew: {error}");
                false
            }
        }
    }
}

impl Source {
    fn put(&self, header: Option<Header>) {
        *self.header.write().unwrap_or_else(PoisonError::into_inner) = header;
    }
}

async fn read(path: &Path) -> Result<Header, Error> {
    let unreadable = |cause: String| {
        let message = format!("the token file {} {cause}", path.display());
        Error::new(Category::FailedPrecondition, "client.credential.unreadable", message)
            .with_hint("MODRACK_TOKEN_FILE names a file that this process may read")
    };
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|source| unreadable(format!("cannot be read: {source}")))?;
    header(text.trim()).ok_or_else(|| unreadable("holds no token".to_owned()))
}

fn header(token: &str) -> Option<Header> {
    if token.is_empty() {
        return None;
    }
    let mut header = Header::try_from(format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_print() {
        let bearer = Bearer::live();
        bearer.set("s3cret");
        assert_eq!(bearer.header().unwrap().to_str().unwrap(), "Bearer s3cret");
        assert!(!format!("{bearer:?}").contains("s3cret"));
    }

    #[test]
    fn what_no_header_can_hold_is_no_token() {
        assert!(header("").is_none());
        assert!(header("a\nb").is_none());
    }
}
