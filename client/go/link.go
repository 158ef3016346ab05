package bellis

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/go-zeromq/zmq4"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	writeTimeout     = 10 * time.Second
	lingerTimeout    = time.Second
	// receivedBytesMax is the longest message that is read.
	receivedBytesMax = 16 << 20
	// greetingBytes is the length of what each side of ZMTP says first.
	greetingBytes = 64
	// handshakeBytesMax is the longest frame before a peer has shown who it is.
	handshakeBytesMax = 64 << 10
)

// Flags of a ZMTP frame (ZeroMQ RFC 23).
const (
	frameMore    = 1
	frameLong    = 2
	frameCommand = 4
)

// link is one connection to a broker: a DEALER's side of ZMTP. It is never dialled again: whoever
// has it opens another, and says hello there.
//
// It uses zmq4's Conn, which does the handshake and writes frames, and not zmq4's Socket. A Socket
// sets a routing id, sends into a dead connection without an error, and sleeps in Dial.
type link struct {
	conn  *zmq4.Conn
	raw   *guardedConn
	curve *curve // nil: nothing is encrypted
	mutex sync.Mutex
}

// openLink connects and greets. It blocks: as long as dialTimeout and handshakeTimeout, or until
// `ctx` ends.
func openLink(ctx context.Context, to endpoint, keys *curveKeys) (opened *link, err error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	raw, err := dialer.DialContext(ctx, to.network, to.address)
	if err != nil {
		return nil, err
	}
	defer func() {
		// zmq4 trusts the lengths in what a peer says of itself.
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("the peer does not speak ZMTP: %v", recovered)
		}
		if err != nil {
			raw.Close()
		}
	}()
	_ = raw.SetDeadline(time.Now().Add(handshakeTimeout))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-ctx.Done():
			_ = raw.SetDeadline(time.Unix(1, 0))
		case <-stop:
		}
	}()
	l := &link{raw: newGuardedConn(raw)}
	var security zmq4.Security
	if keys != nil {
		l.curve = &curve{keys: *keys}
		security = l.curve
	} else {
		security = null{}
	}
	// No routing id: an empty one, as libzmq says it.
	l.conn, err = zmq4.Open(l.raw, security, zmq4.Dealer, nil, false, nil)
	if err != nil {
		return nil, fmt.Errorf("no handshake: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return l, nil
}

// send writes one message. An error says that the connection is dead; none says nothing. Any
// goroutine may call it.
func (l *link) send(message []byte) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.curve != nil {
		message = l.curve.seal(0, message)
	}
	_ = l.raw.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := l.conn.SendMsg(zmq4.NewMsg(message)); err != nil {
		return err
	}
	return l.raw.flush()
}

// receive reads the next message. One goroutine calls it.
func (l *link) receive() ([]byte, error) {
	for {
		flags, frame, err := l.raw.readFrame()
		if err == nil && l.curve != nil {
			flags, frame, err = l.curve.open(frame)
		}
		switch {
		case err != nil:
			return nil, err
		case flags&frameCommand != 0:
			if err := l.answerCommand(frame); err != nil {
				return nil, err
			}
		case flags&frameMore != 0:
			return nil, errors.New("the broker sends a message of several frames")
		default:
			return frame, nil
		}
	}
}

// answerCommand answers ZeroMQ's own PING (ZMTP 3.1): a PONG with its context, after the time to
// live. With CURVE the broker's commands are in MESSAGEs, and so are the answers.
func (l *link) answerCommand(body []byte) error {
	const ping, pong = "\x04PING", "\x04PONG"
	if len(body) < len(ping)+2 || string(body[:len(ping)]) != ping {
		return nil
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	_ = l.raw.SetWriteDeadline(time.Now().Add(writeTimeout))
	context := body[len(ping)+2:]
	var err error
	if l.curve != nil {
		err = l.conn.SendMsg(zmq4.NewMsg(l.curve.seal(curveCommand, append([]byte(pong), context...))))
	} else {
		err = l.conn.SendCmd("PONG", context)
	}
	if err != nil {
		return err
	}
	return l.raw.flush()
}

// close breaks the connection off.
func (l *link) close() { l.raw.Close() }

// finish closes the connection when what was sent has arrived, or after lingerTimeout. A connection
// that is closed with something unread in it is reset, and the peer may lose what it had not read.
// The goroutine that receives must go on.
func (l *link) finish(received <-chan struct{}) {
	if half, can := l.raw.Conn.(interface{ CloseWrite() error }); can {
		_ = half.CloseWrite()
	}
	select {
	case <-received:
	case <-time.After(lingerTimeout):
	}
	l.close()
}

// null is the mechanism without keys, as zmq4's own, which has no exported name.
type null struct{}

func (null) Type() zmq4.SecurityType                       { return zmq4.NullSecurity }
func (null) Encrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (null) Decrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (null) Handshake(conn *zmq4.Conn, isServer bool) error {
	metadata, err := conn.Meta.MarshalZMTP()
	if err != nil {
		return err
	}
	if err := conn.SendCmd(zmq4.CmdReady, metadata); err != nil {
		return err
	}
	body, err := receiveCommand(conn, zmq4.CmdReady)
	if err != nil {
		return err
	}
	return conn.Peer.Meta.UnmarshalZMTP(body)
}

// guardedConn collects the parts of a frame until flush, and reads ahead. During the handshake,
// where zmq4 reads, it refuses long frames before zmq4 makes room for them: each Read is then one of
// zmq4's reads, which are the greeting, and of each frame two bytes, seven more of a long one, and
// its content.
type guardedConn struct {
	net.Conn
	reader *bufio.Reader
	writer *bufio.Writer
	state  int
	length [8]byte
}

const (
	stateGreeting = iota
	stateHeader
	stateLength
	stateContent
)

func newGuardedConn(raw net.Conn) *guardedConn {
	return &guardedConn{Conn: raw, reader: bufio.NewReaderSize(raw, 64<<10),
		writer: bufio.NewWriterSize(raw, 64<<10)}
}

func (g *guardedConn) Write(data []byte) (int, error) { return g.writer.Write(data) }
func (g *guardedConn) flush() error                   { return g.writer.Flush() }

// Read reads all of `data`, during the handshake. What zmq4 has written goes out before.
func (g *guardedConn) Read(data []byte) (int, error) {
	if err := g.flush(); err != nil {
		return 0, err
	}
	count, err := io.ReadFull(g.reader, data)
	if err != nil {
		return count, err
	}
	switch g.state {
	case stateHeader:
		g.state = stateContent
		if data[0]&frameLong != 0 {
			g.length[0] = data[1]
			g.state = stateLength
		} else if data[1] == 0 {
			g.state = stateHeader
		}
	case stateLength:
		copy(g.length[1:], data)
		if binary.BigEndian.Uint64(g.length[:]) > handshakeBytesMax {
			return 0, errors.New("the peer's handshake is too long")
		}
		g.state = stateContent
	default:
		g.state = stateHeader
	}
	return count, nil
}

// readFrame reads one frame after the handshake.
func (g *guardedConn) readFrame() (flags byte, frame []byte, err error) {
	var header [9]byte
	if _, err := io.ReadFull(g.reader, header[:2]); err != nil {
		return 0, nil, err
	}
	length := uint64(header[1])
	if header[0]&frameLong != 0 {
		if _, err := io.ReadFull(g.reader, header[2:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(header[1:])
	}
	if length > receivedBytesMax {
		return 0, nil, fmt.Errorf("the broker sends a message of %d bytes; at most 16 MiB are read", length)
	}
	frame = make([]byte, length)
	_, err = io.ReadFull(g.reader, frame)
	return header[0], frame, err
}
