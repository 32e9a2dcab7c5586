//! GOAWAY frames with debug data (RFC 9113 §6.8): APNs explains in JSON why it goes, which h2 has no means to write.
//!
//! The stream below h2 follows the frames that h2 writes, and gives each GOAWAY the data that it was told.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::locked;

/// Length, type, flags and stream identifier.
const HEAD: usize = 9;
/// The frame type of GOAWAY.
const GOAWAY: u8 = 7;
/// The last stream's identifier and the error code.
const GOAWAY_FIXED: usize = 8;

/// The debug data of the next GOAWAY frames of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct DebugData(Arc<Mutex<Bytes>>);

impl DebugData {
    pub(super) fn set(&self, data: impl Into<Bytes>) {
        *locked(&self.0) = data.into();
    }
}

/// A stream that h2 writes its frames to.
pub(super) struct Annotated<S> {
    io: S,
    data: DebugData,
    /// The head of the frame that is being written, and a GOAWAY's content.
    head: Vec<u8>,
    /// What is left of the content of any other frame.
    left: usize,
    /// Taken from h2 and not yet written.
    pending: Vec<u8>,
    written: usize,
}

impl<S> Annotated<S> {
    pub(super) fn new(io: S, data: DebugData) -> Self {
        Self {
            io,
            data,
            head: Vec::new(),
            left: 0,
            pending: Vec::new(),
            written: 0,
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (now, later) = bytes.split_at(self.left.min(bytes.len()));
                self.pending.extend_from_slice(now);
                self.left -= now.len();
                bytes = later;
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if self.head.len() == HEAD && self.head[3] != GOAWAY {
                self.left = length(&self.head);
                self.pending.append(&mut self.head);
            } else if self.head.len() >= HEAD && self.head.len() == HEAD + length(&self.head) {
                self.goaway();
            }
        }
    }

    fn goaway(&mut self) {
        let data = locked(&self.data.0).clone();
        let length = (GOAWAY_FIXED + data.len()) as u32;
        self.pending.extend_from_slice(&length.to_be_bytes()[1..]);
        self.pending.extend_from_slice(&self.head[3..HEAD + GOAWAY_FIXED]);
        self.pending.extend_from_slice(&data);
        self.head.clear();
    }
}

/// The length of a frame's content, from its head.
fn length(head: &[u8]) -> usize {
    usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])
}

impl<S: AsyncWrite + Unpin> Annotated<S> {
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.pending.len() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.pending[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.pending.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Annotated<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Annotated<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_write_out(cx))?;
        this.take(bytes);
        // What does not go out now goes with the next write or flush.
        if let Poll::Ready(Err(error)) = this.poll_write_out(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_out(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_out(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goaway_frames_get_the_data_and_others_pass_as_they_are() {
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 11];
        let frames = [settings.as_slice(), &goaway, &settings].concat();
        for piece in 1..frames.len() {
            let data = DebugData::default();
            data.set("{}");
            let mut stream = Annotated::new(tokio::io::empty(), data);
            for bytes in frames.chunks(piece) {
                stream.take(bytes);
            }
            let mut longer = goaway.to_vec();
            longer[2] = 10;
            let expected = [settings.as_slice(), &longer, b"{}", &settings].concat();
            assert_eq!(stream.pending, expected, "in pieces of {piece}");
        }
    }
}
