//! A connection to a broker: a DEALER of libzmq, which connects again by itself.

use crate::access::Access;
use crate::error::{Error, Result};

/// How long the last messages may take to leave when a socket is closed, in milliseconds.
const LINGER_MS: i32 = 1000;
/// The longest message that a peer should read, in bytes.
const RECEIVED_BYTES_MAX: i64 = 16 << 20;
/// How long a program that listens there may take to prove that it is the broker, in milliseconds.
const HANDSHAKE_MS: i32 = 5000;

/// One socket. It belongs to one thread.
pub(crate) struct Line {
    access: Access,
    context: zmq::Context,
    socket: zmq::Socket,
}

fn system(error: zmq::Error) -> Error {
    Error::System(format!("ZeroMQ: {}", error))
}

impl Line {
    /// Errors: Settings, for an endpoint that libzmq does not take and for keys where libzmq has no
    /// CURVE; System.
    pub(crate) fn open(access: &Access) -> Result<Line> {
        let context = zmq::Context::new();
        let socket = connect(&context, access)?;
        Ok(Line {
            access: access.clone(),
            context,
            socket,
        })
    }

    /// Another socket in place of this one. What was on its way is lost.
    pub(crate) fn reopen(&mut self) -> Result<()> {
        let socket = connect(&self.context, &self.access)?;
        let former = std::mem::replace(&mut self.socket, socket);
        former.set_linger(0).map_err(system)
    }

    /// A message that cannot leave is lost: the broker's silence tells.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let _lost = self.socket.send(bytes, zmq::DONTWAIT);
    }

    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        self.socket.recv_bytes(zmq::DONTWAIT).ok()
    }

    /// Waits until a message is there, until one of the descriptors can be read, or for that time.
    pub(crate) fn wait(&self, descriptors: &[i32], timeout_ms: i64) {
        let mut items = vec![self.socket.as_poll_item(zmq::POLLIN)];
        items.extend(
            descriptors
                .iter()
                .map(|&fd| zmq::PollItem::from_fd(fd, zmq::POLLIN)),
        );
        let _interrupted = zmq::poll(&mut items, timeout_ms);
    }
}

fn connect(context: &zmq::Context, access: &Access) -> Result<zmq::Socket> {
    let socket = context.socket(zmq::DEALER).map_err(system)?;
    socket.set_linger(LINGER_MS).map_err(system)?;
    socket.set_maxmsgsize(RECEIVED_BYTES_MAX).map_err(system)?;
    socket
        .set_ipv6(access.endpoint.contains('['))
        .map_err(system)?;
    if let Some(keys) = access
        .keys
        .as_ref()
        .filter(|_| access.endpoint.starts_with("tcp://"))
    {
        if zmq::has("curve") != Some(true) {
            let text = "the broker needs keys (CURVE), which this libzmq was built without; install one that \
                        has CURVE (Debian's libzmq5 has), or connect by ipc";
            return Err(Error::Settings(text.into()));
        }
        socket.set_handshake_ivl(HANDSHAKE_MS).map_err(system)?;
        socket
            .set_curve_serverkey(keys.server.as_bytes())
            .map_err(system)?;
        socket
            .set_curve_publickey(keys.public.as_bytes())
            .map_err(system)?;
        socket
            .set_curve_secretkey(keys.secret.as_bytes())
            .map_err(system)?;
    }
    socket.connect(&access.endpoint).map_err(|error| {
        Error::Settings(format!("cannot connect to {}: {}", access.endpoint, error))
    })?;
    Ok(socket)
}
