//! The baseline of forwarding: gives back what comes on the Unix socket that the first argument names, message by message, each
//! behind its length in four bytes, big end first. Looks into none.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "says that it listens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = std::env::args().nth(1).ok_or("name the path of the Unix socket")?;
    let listener = UnixListener::bind(&socket)?;
    println!("ready");
    let (mut stream, _) = listener.accept().await?;
    let mut message = Vec::new();
    // Until the other end closes.
    while let Ok(length) = stream.read_u32().await {
        message.resize(usize::try_from(length)?, 0);
        stream.read_exact(&mut message).await?;
        stream.write_u32(length).await?;
        stream.write_all(&message).await?;
    }
    Ok(())
}
