//! The measured provider in Rust: `Echo` gives its record back. The namespace is the first argument; the plane is `MODRACK_PLANE`'s.

use modrack::{Module, ModuleError, Provider, Record};

#[derive(Record)]
struct Row {
    id: i64,
    name: String,
    score: f64,
    ok: bool,
    tags: Vec<String>,
    text: String,
}

async fn echo(row: Row) -> Result<Row, ModuleError> {
    Ok(row)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = std::env::args().nth(1).ok_or("name the namespace")?;
    Provider::new(namespace).with_module(Module::new("Echo", echo).idempotent()).run().await?;
    Ok(())
}
