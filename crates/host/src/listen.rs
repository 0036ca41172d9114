//! Where the host listens: binding, TLS, a bound on connections, and nothing of what is said on them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use protocol::codes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
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

    /// Accepts connections for as long as the stream is read. One that says nothing for the patience of the door is cut,
    /// so that it does not hold its place for ever. A TLS handshake runs beside the others and holds nobody up.
    ///
    /// Beyond the bound on connections a few more are let in to be told so ([`Peer::admitted`]), and the rest waits in the
    /// kernel's own bounded queue: a connection that was let in is never cut for one that was not, and a listener that
    /// nobody connects to takes no place from the others.
    pub(crate) fn incoming(self, door: Door) -> impl Stream<Item = io::Result<Io>> + Send {
        let begun = (self, door, None, JoinSet::new());
        futures::stream::unfold(begun, |(listener, door, mut accepted, mut handshakes)| async move {
            loop {
                tokio::select! {
                    Some(ended) = handshakes.join_next() => {
                        // A handshake that failed has said so in the log.
                        if let Ok(Some(io)) = ended {
                            return Some((Ok(io), (listener, door, accepted, handshakes)));
                        }
                    }
                    socket = listener.accept(), if accepted.is_none() => accepted = Some(socket),
                    place = door.place(), if accepted.is_some() => {
                        let Some(socket) = accepted.take() else { continue };
                        match (socket, &door.tls) {
                            (Socket::Tcp(stream), Some(tls)) => {
                                handshakes.spawn(handshake(stream, tls.clone(), place, door.patience));
                            }
                            (socket, _) => {
                                let io = Io::new(socket, place, door.patience);
                                return Some((Ok(io), (listener, door, accepted, handshakes)));
                            }
                        }
                    }
                }
            }
        })
    }

    async fn accept(&self) -> Socket {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                    stream.set_nodelay(true)?;
                    Ok(Socket::Tcp(stream))
                }),
                Self::Unix(socket) => socket.listener.accept().await.map(|(stream, _)| Socket::Unix(stream)),
            };
            match accepted {
                Ok(socket) => return socket,
                // Out of descriptors, or a peer that left at once: what is open goes on.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Connections beyond the bound that are open at one time to be told so.
const REFUSALS: usize = 64;

/// What connections pass on their way in. Clones share their places.
#[derive(Clone)]
pub(crate) struct Door {
    connections: usize,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    patience: Duration,
    tls: Option<TlsAcceptor>,
}

impl Door {
    /// Lets so many connections in, over all listeners; each has `patience` to open. With `tls`, those by TCP speak it.
    pub(crate) fn new(connections: usize, patience: Duration, tls: Option<TlsAcceptor>) -> Self {
        Self {
            connections,
            places: Arc::new(Semaphore::new(connections)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            patience,
            tls,
        }
    }

    /// How many connections have a place; a moment's view.
    pub(crate) fn open_connections(&self) -> usize {
        self.connections.saturating_sub(self.places.available_permits())
    }

    /// Waits for a place; rather among the connections than among those that are refused.
    async fn place(&self) -> Place {
        let permit = |places: &Arc<Semaphore>| {
            let places = Arc::clone(places);
            async move { places.acquire_owned().await.expect("the places of a door are never closed") }
        };
        tokio::select! {
            biased;
            permit = permit(&self.places) => Place { permit, admitted: true },
            permit = permit(&self.refusals) => Place { permit, admitted: false },
        }
    }
}

/// Where a connection stands; given back with it.
struct Place {
    #[expect(dead_code, reason = "held for as long as the connection lives")]
    permit: OwnedSemaphorePermit,
    admitted: bool,
}

/// What is known of the one at the other end of a connection; an extension of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Whether there was room. Every request of one that is not admitted is refused, and its connection ends soon.
    pub(crate) admitted: bool,
    /// Whether it came by the Unix socket.
    pub(crate) unix: bool,
}

/// Agrees on TLS, within the patience of the door.
async fn handshake(stream: TcpStream, tls: TlsAcceptor, place: Place, patience: Duration) -> Option<Io> {
    let peer = stream.peer_addr().ok();
    let peer = tracing::field::debug(&peer);
    match tokio::time::timeout(patience, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(Io::new(Socket::Tls(Box::new(stream)), place, patience)),
        // At `debug`: whoever can reach the port can bring these about, and must not fill a disk by it.
        Ok(Err(error)) => {
            tracing::debug!(code = codes::HANDSHAKE_FAILED.name, peer, %error, "TLS was not agreed");
            None
        }
        Err(_) => {
            tracing::debug!(code = codes::HANDSHAKE_TIMEOUT.name, peer, "a TLS handshake took too long");
            None
        }
    }
}

/// An accepted connection; gives its place back when it closes.
pub(crate) struct Io {
    socket: Socket,
    place: Place,
    /// The wait for what opens the connection, and how many bytes of it are still to come.
    opening: Option<(Pin<Box<Sleep>>, usize)>,
}

/// Bytes with which an HTTP/2 client opens a connection (RFC 9113, 3.4); behind them the server's own pings find a dead peer.
const PREFACE: usize = 24;

impl Io {
    fn new(socket: Socket, place: Place, patience: Duration) -> Self {
        // One that is not admitted never counts as open: it has this time to hear why.
        let unread = if place.admitted { PREFACE } else { usize::MAX };
        Self { socket, place, opening: Some((Box::pin(tokio::time::sleep(patience)), unread)) }
    }
}

enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Connected for Io {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer { admitted: self.place.admitted, unix: matches!(self.socket, Socket::Unix(_)) }
    }
}

macro_rules! either {
    ($io:expr, $socket:ident => $call:expr) => {
        match &mut $io.as_mut().get_mut().socket {
            Socket::Tcp($socket) => $call,
            Socket::Tls($socket) => $call,
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
                if self.place.admitted {
                    tracing::debug!(code = codes::HANDSHAKE_TIMEOUT.name, "a connection did not open in time");
                }
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
        match &self.socket {
            Socket::Tcp(socket) => socket.is_write_vectored(),
            Socket::Tls(socket) => socket.is_write_vectored(),
            Socket::Unix(socket) => socket.is_write_vectored(),
        }
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
        let door = Door::new(1, Duration::from_secs(5), None);
        for (said, cut) in [(0, true), (PREFACE - 1, true), (PREFACE, false)] {
            let (host, mut peer) = UnixStream::pair().unwrap();
            let mut io = Io::new(Socket::Unix(host), door.place().await, door.patience);
            peer.write_all(&[b'x'; PREFACE][..said]).await.unwrap();
            assert_eq!(seconds_until_cut(&mut io, said).await, if cut { Some(5) } else { None }, "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_place_may_speak_for_a_while_and_is_cut_then() {
        let door = Door::new(0, Duration::from_secs(5), None);
        let (host, mut peer) = UnixStream::pair().unwrap();
        let mut io = Io::new(Socket::Unix(host), door.place().await, door.patience);
        assert!(!io.connect_info().admitted);
        peer.write_all(&[b'x'; 1000]).await.unwrap();
        assert_eq!(seconds_until_cut(&mut io, 1000).await, Some(5));
    }

    /// Reads what was said, and waits up to a minute for the end.
    async fn seconds_until_cut(io: &mut Io, said: usize) -> Option<u64> {
        io.read_exact(&mut vec![0; said]).await.unwrap();
        let began = tokio::time::Instant::now();
        let read = tokio::time::timeout(Duration::from_secs(60), io.read(&mut [0])).await;
        assert_eq!(read.ok()?.unwrap_err().kind(), io::ErrorKind::TimedOut);
        Some(began.elapsed().as_secs())
    }

    #[tokio::test]
    async fn a_place_is_given_back_when_its_connection_closes_and_an_idle_listener_holds_none() {
        let directory = tempfile::tempdir().unwrap();
        let door = Door::new(1, Duration::from_secs(60), None);
        let (tcp, address) = Listener::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let path = directory.path().join("s");
        let unix = Listener::unix(&path).unwrap();
        let idle = tokio::spawn(Box::pin(tcp.incoming(door.clone())).into_future());
        let mut incoming = Box::pin(unix.incoming(door.clone()));
        // The listener that nobody connects to is at its wait.
        tokio::task::yield_now().await;
        let mut accepted = async || {
            let peer = UnixStream::connect(&path).await.unwrap();
            let io = testkit::within("a connection", incoming.next()).await.unwrap().unwrap();
            (io.connect_info().admitted, io, peer)
        };
        let (admitted, first, mut peer) = accepted().await;
        assert!(admitted);
        // There is no place for this one, and it is let in to hear so.
        let (admitted, second, _peer) = accepted().await;
        assert!(!admitted);
        drop(first);
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
        let (admitted, third, _peer) = accepted().await;
        assert!(admitted);
        drop((second, third));
        let _fourth = TcpStream::connect(address).await.unwrap();
        assert!(idle.await.unwrap().0.unwrap().unwrap().connect_info().admitted);
    }

    #[tokio::test]
    async fn more_than_are_told_that_there_is_no_place_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let mut incoming =
            Box::pin(Listener::unix(&path).unwrap().incoming(Door::new(0, Duration::from_secs(60), None)));
        let mut refused = Vec::new();
        for _ in 0..REFUSALS {
            let peer = UnixStream::connect(&path).await.unwrap();
            refused.push((incoming.next().await.unwrap().unwrap(), peer));
        }
        let _waiting = UnixStream::connect(&path).await.unwrap();
        // Accepted, and without a place of either kind.
        for _ in 0..3 {
            assert!(futures::poll!(incoming.next()).is_pending());
            tokio::task::yield_now().await;
        }
        refused.pop();
        assert!(!testkit::within("a connection", incoming.next()).await.unwrap().unwrap().connect_info().admitted);
    }
}
