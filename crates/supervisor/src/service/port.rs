//! The port that a component listens on: chosen, or looked at before somebody else is asked in its place. Listens on none for longer
//! than a look.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use protocol::codes;

use crate::state::Fault;

/// How long a port may take to be free: what a host that was killed left behind ends within a second.
const PATIENCE: Duration = Duration::from_secs(2);
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(50);

/// The address that the component is to listen on: that of the configuration, with a free port where it says 0.
///
/// # Errors
/// `component.port.taken` when somebody listens on a port that the configuration names; `component.spawn.failed`.
pub(super) async fn choose(endpoint: SocketAddr) -> Result<SocketAddr, Fault> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match look(endpoint) {
            Ok(address) => return Ok(address),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                let message = format!("no port at {endpoint}: {error}");
                return Err(Fault::new(codes::COMPONENT_SPAWN_FAILED, message));
            }
            Err(_) if tokio::time::Instant::now() >= deadline => {
                let message = format!("somebody else listens on {endpoint}");
                return Err(Fault::new(codes::COMPONENT_PORT_TAKEN, message));
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Whether somebody listens there.
pub(super) fn is_taken(address: SocketAddr) -> bool {
    look(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn look(address: SocketAddr) -> io::Result<SocketAddr> {
    TcpListener::bind(address)?.local_addr()
}
