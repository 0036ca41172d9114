//! Runs the Handlebars templates. The templates are compiled into the crate, so nothing is looked up at run time.

use handlebars::Handlebars;
use serde::Serialize;

use crate::error::Error;

/// The templates of one language.
pub(crate) struct Templates(Handlebars<'static>);

impl Templates {
    /// Compiles templates, given by name and text.
    pub(crate) fn new(templates: &[(&str, &str)]) -> Result<Self, Error> {
        let mut registry = Handlebars::new();
        // A name that the view model does not have is an error, not an empty string.
        registry.set_strict_mode(true);
        // The output is source code, not HTML; the view model escapes what its language needs.
        registry.register_escape_fn(handlebars::no_escape);
        for (name, text) in templates {
            registry.register_template_string(name, text).map_err(|source| Error::Template(Box::new(source)))?;
        }
        Ok(Self(registry))
    }

    /// Renders one file.
    pub(crate) fn render(&self, name: &str, view: &impl Serialize) -> Result<String, Error> {
        self.0.render(name, view).map_err(|source| Error::Render(Box::new(source)))
    }
}
