//! The open documents: their text under edits, and the latest analysis of each. Answers nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use lsp_types::{DidChangeTextDocumentParams, TextDocumentItem, Uri};
use pipeline::Catalog;
use pipeline::ide::Analysis;

use crate::lsp::modules::Modules;
use crate::lsp::text::{Encoding, Text};
use crate::lsp::uri;

/// A document as it was at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) uri: Uri,
    /// Where its lock is searched.
    pub(crate) directory: PathBuf,
    pub(crate) version: i32,
    pub(crate) text: Arc<Text>,
}

struct Document {
    now: Snapshot,
    /// Of `now.text` or of one before.
    analysis: Option<Analysed>,
}

struct Analysed {
    text: Arc<Text>,
    catalog: Arc<Catalog>,
    analysis: Rc<Analysis>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Documents {
    by_uri: BTreeMap<String, Document>,
    /// The documents to check, the most urgent first.
    stale: VecDeque<String>,
}

impl Documents {
    /// Takes in a document; one that is no file belongs to the `home` directory.
    pub(crate) fn open(&mut self, item: TextDocumentItem, home: &Path) {
        let TextDocumentItem { uri, version, text, .. } = item;
        let key = uri.as_str().to_owned();
        let path = uri::path(&uri);
        let directory = path.as_deref().and_then(Path::parent).unwrap_or(home).to_owned();
        let now = Snapshot { uri, directory, version, text: Arc::new(Text::new(text)) };
        self.by_uri.insert(key.clone(), Document { now, analysis: None });
        self.put_first(key);
    }

    /// Whether the document is open. An edit outside the text touches its end.
    pub(crate) fn change(&mut self, params: DidChangeTextDocumentParams, encoding: Encoding) -> bool {
        let key = params.text_document.uri.as_str();
        let Some(document) = self.by_uri.get_mut(key) else { return false };
        let now = &mut document.now;
        now.version = params.text_document.version;
        // Who waits for an answer about the text before keeps that text.
        for change in params.content_changes {
            match change.range {
                None => now.text = Arc::new(Text::new(change.text)),
                Some(range) => {
                    let text = Arc::make_mut(&mut now.text);
                    let (start, end) = (text.offset(range.start, encoding), text.offset(range.end, encoding));
                    text.replace(start..end.max(start), &change.text);
                }
            }
        }
        self.put_first(key.to_owned());
        true
    }

    /// Whether the document was open.
    pub(crate) fn close(&mut self, uri: &Uri) -> bool {
        self.stale.retain(|key| key != uri.as_str());
        self.by_uri.remove(uri.as_str()).is_some()
    }

    pub(crate) fn get(&self, uri: &Uri) -> Option<&Snapshot> {
        self.by_uri.get(uri.as_str()).map(|document| &document.now)
    }

    /// The directories of all of them.
    pub(crate) fn directories(&self) -> BTreeSet<PathBuf> {
        self.by_uri.values().map(|document| document.now.directory.clone()).collect()
    }

    /// Whether the document is open and has that text still.
    pub(crate) fn is_current(&self, snapshot: &Snapshot) -> bool {
        self.get(&snapshot.uri).is_some_and(|now| Arc::ptr_eq(&now.text, &snapshot.text))
    }

    /// Makes those stale that were checked against other modules than theirs are now, behind those that were edited.
    pub(crate) fn recheck(&mut self, modules: &Modules) {
        for (key, document) in &self.by_uri {
            let is_checked = document.analysis.as_ref().is_some_and(|analysed| {
                let (catalog, _) = modules.of(&document.now);
                Arc::ptr_eq(&analysed.catalog, &catalog)
            });
            if !is_checked && !self.stale.contains(key) {
                self.stale.push_back(key.clone());
            }
        }
    }

    pub(crate) fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// The most urgent of those to check; it counts as checked.
    pub(crate) fn next_stale(&mut self) -> Option<Snapshot> {
        let key = self.stale.pop_front()?;
        self.by_uri.get(&key).map(|document| document.now.clone())
    }

    /// The analysis of a text against these modules: the one that is there, if it is of both.
    pub(crate) fn analysis(&mut self, snapshot: &Snapshot, catalog: &Arc<Catalog>) -> Rc<Analysis> {
        let document = self.by_uri.get_mut(snapshot.uri.as_str());
        if let Some(Analysed { text, catalog: of, analysis }) = document.as_ref().and_then(|one| one.analysis.as_ref())
            && Arc::ptr_eq(text, &snapshot.text)
            && Arc::ptr_eq(of, catalog)
        {
            return Rc::clone(analysis);
        }
        let analysis = Rc::new(Analysis::new(snapshot.text.as_str(), Arc::clone(catalog)));
        if let Some(document) = document
            && Arc::ptr_eq(&document.now.text, &snapshot.text)
        {
            let (text, catalog) = (Arc::clone(&snapshot.text), Arc::clone(catalog));
            document.analysis = Some(Analysed { text, catalog, analysis: Rc::clone(&analysis) });
        }
        analysis
    }

    fn put_first(&mut self, key: String) {
        self.stale.retain(|stale| *stale != key);
        self.stale.push_front(key);
    }
}
