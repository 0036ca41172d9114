//! What can go wrong while generating. A fault of a `.proto` file is the author's; all others are faults of a template.

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A source does not compile; the message names file, line and column.
    #[error("the sources do not compile: {0:?}")]
    Compile(Box<protox::Error>),
    /// The descriptors ask for something that the Rust generator does not do.
    #[error("the Rust code could not be generated")]
    Rust(#[source] std::io::Error),
    /// A template is not Handlebars.
    #[error("a template does not parse")]
    Template(#[source] Box<handlebars::TemplateError>),
    /// A template asks for what its view model does not have.
    #[error("a template does not fit its view model")]
    Render(#[source] Box<handlebars::RenderError>),
}

impl Error {
    /// Stable, dotted code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Compile(_) => "codegen.compile",
            Self::Rust(_) => "codegen.rust",
            Self::Template(_) => "codegen.template",
            Self::Render(_) => "codegen.render",
        }
    }
}
