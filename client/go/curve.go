package bellis

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-zeromq/zmq4"
	"golang.org/x/crypto/nacl/box"
)

// curveKeys are those of one side of a connection, and the broker's public one.
type curveKeys struct {
	server, public, secret [keyBytes]byte
}

// curve is the client's side of CURVE (ZeroMQ RFC 26), which zmq4 lacks, for one connection. zmq4
// gives the handshake; it writes the length of a frame before it encrypts, so what follows is sealed
// before it is given to zmq4, and opened by the reader.
//
//	HELLO     C' and a box of zeros: whoever is not the broker cannot answer
//	WELCOME   a box of the broker's short-term key S' and a cookie
//	INITIATE  the cookie, and a box of C, a voucher of C for C', and the metadata
//	READY     a box of the broker's metadata
//	MESSAGE   a box of one byte of flags and the frame
type curve struct {
	keys     curveKeys
	shared   [keyBytes]byte // of C' and S', once WELCOME has come
	sent     uint64         // the last nonce of each direction: they only grow
	received uint64
}

const (
	// Flags in a MESSAGE are not those of ZMTP: libzmq has these.
	curveMore    = 1
	curveCommand = 2

	boxOverhead   = box.Overhead
	messagePrefix = "\x07MESSAGE"
	cookieBytes   = 96
)

var errCurve = errors.New("what listens there does not prove that it is the broker")

func (c *curve) Type() zmq4.SecurityType                       { return zmq4.CurveSecurity }
func (c *curve) Encrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (c *curve) Decrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (c *curve) Handshake(conn *zmq4.Conn, isServer bool) error {
	public, secret, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	hello := append([]byte{1, 0}, make([]byte, 72)...) // version 1.0, padding
	hello = append(hello, public[:]...)
	short, nonce := c.nextNonce("CurveZMQHELLO---")
	hello = box.Seal(append(hello, short...), make([]byte, 64), &nonce, &c.keys.server, secret)
	if err := conn.SendCmd("HELLO", hello); err != nil {
		return err
	}
	serverShort, cookie, err := c.readWelcome(conn, secret)
	if err != nil {
		return err
	}
	box.Precompute(&c.shared, serverShort, secret)
	metadata, err := conn.Meta.MarshalZMTP()
	if err != nil {
		return err
	}
	initiate, err := c.initiate(public, secret, serverShort, cookie, metadata)
	if err != nil {
		return err
	}
	if err := conn.SendCmd("INITIATE", initiate); err != nil {
		return err
	}
	return c.readReady(conn)
}

func (c *curve) readWelcome(conn *zmq4.Conn, secret *[keyBytes]byte) (*[keyBytes]byte, []byte, error) {
	body, err := receiveCommand(conn, "WELCOME")
	if err != nil {
		return nil, nil, err
	}
	if len(body) != 16+boxOverhead+keyBytes+cookieBytes {
		return nil, nil, errCurve
	}
	var nonce [24]byte
	copy(nonce[:], "WELCOME-")
	copy(nonce[8:], body[:16])
	plain, ok := box.Open(nil, body[16:], &nonce, &c.keys.server, secret)
	if !ok {
		return nil, nil, errCurve
	}
	var serverShort [keyBytes]byte
	copy(serverShort[:], plain)
	return &serverShort, plain[keyBytes:], nil
}

func (c *curve) initiate(public, secret, serverShort *[keyBytes]byte, cookie, metadata []byte) ([]byte, error) {
	var vouchNonce [24]byte
	copy(vouchNonce[:], "VOUCH---")
	if _, err := io.ReadFull(rand.Reader, vouchNonce[8:]); err != nil {
		return nil, err
	}
	vouched := append(append([]byte{}, public[:]...), c.keys.server[:]...)
	plain := append(append([]byte{}, c.keys.public[:]...), vouchNonce[8:]...)
	plain = box.Seal(plain, vouched, &vouchNonce, serverShort, &c.keys.secret)
	plain = append(plain, metadata...)
	short, nonce := c.nextNonce("CurveZMQINITIATE")
	body := append(append([]byte{}, cookie...), short...)
	return box.SealAfterPrecomputation(body, plain, &nonce, &c.shared), nil
}

func (c *curve) readReady(conn *zmq4.Conn) error {
	body, err := receiveCommand(conn, "READY")
	if err != nil {
		return err
	}
	metadata, err := c.openBox(body, "CurveZMQREADY---")
	if err != nil {
		return err
	}
	return conn.Peer.Meta.UnmarshalZMTP(metadata)
}

// seal makes the MESSAGE of one frame with these flags.
func (c *curve) seal(flags byte, frame []byte) []byte {
	short, nonce := c.nextNonce("CurveZMQMESSAGEC")
	out := make([]byte, 0, len(messagePrefix)+8+boxOverhead+1+len(frame))
	out = append(append(out, messagePrefix...), short...)
	plain := append([]byte{flags}, frame...) // flags as in curveMore
	return box.SealAfterPrecomputation(out, plain, &nonce, &c.shared)
}

// open reads a MESSAGE: its flags, as ZMTP writes them, and its frame.
func (c *curve) open(message []byte) (flags byte, frame []byte, err error) {
	if len(message) < len(messagePrefix) || string(message[:len(messagePrefix)]) != messagePrefix {
		return 0, nil, errCurve
	}
	plain, err := c.openBox(message[len(messagePrefix):], "CurveZMQMESSAGES")
	if err != nil || len(plain) == 0 {
		return 0, nil, errCurve
	}
	if plain[0]&curveMore != 0 {
		flags |= frameMore
	}
	if plain[0]&curveCommand != 0 {
		flags |= frameCommand
	}
	return flags, plain[1:], nil
}

func (c *curve) nextNonce(prefix string) (short []byte, nonce [24]byte) {
	c.sent++
	copy(nonce[:], prefix)
	binary.BigEndian.PutUint64(nonce[16:], c.sent)
	return nonce[16:], nonce
}

// openBox opens `body`: a nonce, which must be higher than the last one, and a box.
func (c *curve) openBox(body []byte, prefix string) ([]byte, error) {
	if len(body) < 8+boxOverhead {
		return nil, errCurve
	}
	count := binary.BigEndian.Uint64(body)
	if count <= c.received {
		return nil, errCurve
	}
	var nonce [24]byte
	copy(nonce[:], prefix)
	copy(nonce[16:], body[:8])
	plain, ok := box.OpenAfterPrecomputation(nil, body[8:], &nonce, &c.shared)
	if !ok {
		return nil, errCurve
	}
	c.received = count
	return plain, nil
}

// receiveCommand reads one command of the handshake.
func receiveCommand(conn *zmq4.Conn, name string) ([]byte, error) {
	command, err := conn.RecvCmd()
	if err != nil {
		return nil, err
	}
	if command.Name == "ERROR" {
		return nil, fmt.Errorf("the broker refuses these keys: %q", command.Body)
	}
	if command.Name != name {
		return nil, errCurve
	}
	return command.Body, nil
}
