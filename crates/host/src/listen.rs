//! Where the host listens: binding, a bound on connections, and nothing of what is said on them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
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
    /// Binds the path with mode 0600. A socket that nobody listens on any more is replaced; any other file stays.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens, or the path is no socket, and what the system says.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let in_use = |why: &str| io::Error::new(io::ErrorKind::AddrInUse, why);
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(in_use("a file that is no socket is there")),
            Ok(_) if is_served(path)? => return Err(in_use("another process listens there")),
            Ok(_) => std::fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        let bound = Self { listener, path: path.to_owned() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(bound)
    }
}

/// Whether somebody listens on a socket. Does not wait for one whose queue is full, as a plain `connect` would.
fn is_served(path: &Path) -> io::Result<bool> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&socket2::SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
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

    /// Accepts connections. Beyond the bound one waits here until another closes, and more wait in the kernel's own
    /// bounded queue: a connection that was let in is never cut for one that was not, and a listener that nobody
    /// connects to takes no place from the others.
    /// One that says nothing for `patience` is cut, so that it does not hold its place for ever.
    pub(crate) fn incoming(
        self,
        bound: Arc<Semaphore>,
        patience: Duration,
    ) -> impl Stream<Item = io::Result<Io>> + Send {
        futures::stream::unfold((self, bound), move |(listener, bound)| async move {
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
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            };
            let permit = Arc::clone(&bound).acquire_owned().await.ok()?;
            Some((Ok(Io::new(accepted, permit, patience)), (listener, bound)))
        })
    }
}

/// An accepted connection; gives its place back when it closes.
pub(crate) struct Io {
    socket: Socket,
    _permit: OwnedSemaphorePermit,
    /// The wait for what opens the connection, and how many bytes of it are still to come.
    opening: Option<(Pin<Box<Sleep>>, usize)>,
}

/// Bytes with which an HTTP/2 client opens a connection (RFC 9113, 3.4); behind them the server's own pings find a dead peer.
const PREFACE: usize = 24;

impl Io {
    fn new(socket: Socket, permit: OwnedSemaphorePermit, patience: Duration) -> Self {
        Self { socket, _permit: permit, opening: Some((Box::pin(tokio::time::sleep(patience)), PREFACE)) }
    }
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
        match &mut $io.as_mut().get_mut().socket {
            Socket::Tcp($socket) => $call,
            Socket::Unix($socket) => $call,
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = either!(self, socket => Pin::new(socket).poll_read(ctx, buffer));
        if let Some((patience, unread)) = &mut self.opening {
            *unread = unread.saturating_sub(buffer.filled().len() - before);
            if *unread == 0 {
                self.opening = None;
            } else if read.is_pending() && patience.as_mut().poll(ctx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write(ctx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write_vectored(ctx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_flush(ctx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_shutdown(ctx))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_this_user_alone_and_its_file_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let bound = BoundSocket::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_is_replaced_and_one_that_somebody_serves_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        // A process that was killed leaves its file.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let bound = BoundSocket::bind(&path).unwrap();
        let refused = BoundSocket::bind(&path).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(bound);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        std::fs::write(&path, "dear diary").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [&path, &link] {
            assert_eq!(BoundSocket::bind(path).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "dear diary");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_cut_and_one_that_opened_may_be_silent() {
        let patience = Duration::from_secs(5);
        let places = Arc::new(Semaphore::new(1));
        for (said, cut) in [(0, true), (PREFACE - 1, true), (PREFACE, false)] {
            let (host, mut peer) = UnixStream::pair().unwrap();
            let permit = Arc::clone(&places).acquire_owned().await.unwrap();
            let mut io = Io::new(Socket::Unix(host), permit, patience);
            peer.write_all(&[b'x'; PREFACE][..said]).await.unwrap();
            let mut got = vec![0; said];
            io.read_exact(&mut got).await.unwrap();
            let began = tokio::time::Instant::now();
            let read = tokio::time::timeout(Duration::from_secs(60), io.read(&mut [0])).await;
            assert_eq!(read.is_ok_and(|read| read.unwrap_err().kind() == io::ErrorKind::TimedOut), cut, "{said}");
            assert_eq!(began.elapsed().as_secs(), if cut { 5 } else { 60 });
        }
    }

    #[tokio::test]
    async fn a_place_is_given_back_when_its_connection_closes_and_an_idle_listener_holds_none() {
        let directory = tempfile::tempdir().unwrap();
        let places = Arc::new(Semaphore::new(1));
        let (tcp, address) = Listener::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let path = directory.path().join("s");
        let unix = Listener::unix(&path).unwrap();
        let idle = tokio::spawn(Box::pin(tcp.incoming(Arc::clone(&places), Duration::from_secs(60))).into_future());
        let mut incoming = Box::pin(unix.incoming(Arc::clone(&places), Duration::from_secs(60)));
        // The listener that nobody connects to is at its wait.
        tokio::task::yield_now().await;
        let mut first = UnixStream::connect(&path).await.unwrap();
        let accepted = testkit::within("a connection", incoming.next()).await.unwrap().unwrap();
        assert_eq!(places.available_permits(), 0);
        let _second = UnixStream::connect(&path).await.unwrap();
        assert!(futures::poll!(incoming.next()).is_pending());
        drop(accepted);
        assert_eq!(first.read(&mut [0]).await.unwrap(), 0);
        let second = testkit::within("a connection", incoming.next()).await.unwrap().unwrap();
        assert_eq!(places.available_permits(), 0);
        drop(second);
        let _third = TcpStream::connect(address).await.unwrap();
        assert!(idle.await.unwrap().0.unwrap().is_ok());
    }
}
