//! Where the host listens: binding, a bound on connections, and nothing of what is said on them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::Connected;

/// A bound socket of either kind.
pub(crate) enum Listener {
    /// Loopback, or wherever the configuration says.
    Tcp(TcpListener),
    /// For this machine and user.
    Unix(BoundSocket),
}

/// A Unix socket that only this user can open. Its file goes with it.
pub(crate) struct BoundSocket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
}

impl BoundSocket {
    /// Binds the path with mode 0600. A file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when somebody does, and what the system says.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        if path.exists() {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
            }
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        let bound = Self { listener, path: path.to_owned() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(bound)
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "a socket file was gone already");
        }
    }
}

impl Listener {
    /// Binds a TCP address; port 0 picks a free one.
    pub(crate) async fn tcp(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((Self::Tcp(listener), bound))
    }

    /// Binds a Unix socket that only this user can open.
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        BoundSocket::bind(path).map(Self::Unix)
    }

    /// Accepts connections. Beyond the bound none is accepted until one closes: callers wait in the kernel's own
    /// bounded queue, and a connection that was let in is never cut for one that was not.
    pub(crate) fn incoming(self, bound: Arc<Semaphore>) -> impl Stream<Item = io::Result<Io>> + Send {
        futures::stream::unfold((self, bound), |(listener, bound)| async move {
            let permit = Arc::clone(&bound).acquire_owned().await.ok()?;
            let accepted = loop {
                let accepted = match &listener {
                    Self::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                        stream.set_nodelay(true)?;
                        Ok(Socket::Tcp(stream))
                    }),
                    Self::Unix(socket) => socket.listener.accept().await.map(|(stream, _)| Socket::Unix(stream)),
                };
                match accepted {
                    Ok(socket) => break socket,
                    // Out of descriptors, or a peer that left at once: what is open goes on.
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                }
            };
            Some((Ok(Io { socket: accepted, _permit: permit }), (listener, bound)))
        })
    }
}

/// An accepted connection; gives its place back when it closes.
pub(crate) struct Io {
    socket: Socket,
    _permit: OwnedSemaphorePermit,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connected for Io {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

macro_rules! either {
    ($io:expr, $socket:ident => $call:expr) => {
        match &mut $io.get_mut().socket {
            Socket::Tcp($socket) => $call,
            Socket::Unix($socket) => $call,
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_read(ctx, buffer))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write(ctx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write_vectored(ctx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_flush(ctx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_shutdown(ctx))
    }
}
