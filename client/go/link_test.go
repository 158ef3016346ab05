package bellis

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"
)

// listenOnce plays a peer that is no broker to one connection: `play` has the raw connection.
func listenOnce(t *testing.T, play func(raw net.Conn)) endpoint {
	t.Helper()
	broker := newFakeBroker(t)
	go func() {
		raw, err := broker.listener.Accept()
		if err != nil {
			return
		}
		defer raw.Close()
		_ = raw.SetDeadline(time.Now().Add(hang))
		play(raw)
		_, _ = io.Copy(io.Discard, raw) // until the other side closes
	}()
	to, err := parseEndpoint("endpoint", broker.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// greetingOf is the first that a peer of this mechanism says.
func greetingOf(mechanism string) []byte {
	greeting := make([]byte, greetingBytes)
	greeting[0], greeting[9], greeting[10] = 0xff, 0x7f, 3
	copy(greeting[12:], mechanism)
	return greeting
}

func longFrame(flags byte, length uint64) []byte {
	frame := make([]byte, 9)
	frame[0] = flags | frameLong
	binary.BigEndian.PutUint64(frame[1:], length)
	return frame
}

func TestWhatIsNoBrokerIsAnError(t *testing.T) {
	for name, each := range map[string]struct {
		bytes []byte
		said  string
	}{
		"http":          {[]byte("HTTP/1.1 400 Bad Request\r\n" + strings.Repeat(" ", 64)), "greeting"},
		"nothing":       {nil, "EOF"},
		"keys":          {greetingOf("CURVE"), "security mechanism"},
		"a long ready":  {append(greetingOf("NULL"), longFrame(frameCommand, 1<<62)...), "too long"},
		"a bad ready":   {append(greetingOf("NULL"), "\x04\x0a\x05READY\xff\x00\x00\x00"...), ""},
		"a message":     {append(greetingOf("NULL"), "\x00\x02hi"...), ""},
		"an error":      {append(greetingOf("NULL"), "\x04\x09\x05ERROR\x02no"...), "refuses"},
		"an empty one":  {append(greetingOf("NULL"), "\x04\x00"...), ""},
		"another kind":  {append(greetingOf("NULL"), "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"...), "not compatible"},
		"half a ready":  {append(greetingOf("NULL"), "\x04\x1a\x05RE"...), "EOF"},
		"old ZMTP (2)":  {append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1}, make([]byte, 53)...), "version"},
		"half greeting": {[]byte{0xff, 0, 0}, "EOF"},
	} {
		each := each
		to := listenOnce(t, func(raw net.Conn) {
			_, _ = raw.Write(each.bytes)
			if each.said == "EOF" {
				_ = raw.(*net.UnixConn).CloseWrite()
			}
		})
		l, err := openLink(context.Background(), to, nil)
		if err == nil {
			l.close()
			t.Errorf("%s: taken for a broker", name)
		} else if !strings.Contains(err.Error(), each.said) {
			t.Errorf("%s: %v does not say %q", name, err, each.said)
		}
	}
}

func TestAPeerWithoutTheBrokersKeyIsToldNothing(t *testing.T) {
	heard := make(chan []byte, 1)
	to := listenOnce(t, func(raw net.Conn) {
		_, _ = raw.Write(greetingOf("CURVE"))
		data := make([]byte, greetingBytes+2+200) // its greeting, and a HELLO of 200 bytes
		_, _ = io.ReadFull(raw, data)
		heard <- data
		welcome := append([]byte("\x07WELCOME"), make([]byte, 160)...)
		_, _ = raw.Write(append([]byte{frameCommand, byte(len(welcome))}, welcome...))
	})
	keys := &curveKeys{public: [keyBytes]byte{1, 2, 3}, secret: [keyBytes]byte{4, 5, 6}}
	_, err := openLink(context.Background(), to, keys)
	if err == nil || !strings.Contains(err.Error(), "does not prove") {
		t.Error(err)
	}
	if data := <-heard; bytes.Contains(data, keys.public[:]) || bytes.Contains(data, keys.secret[:]) {
		t.Error("it has heard a key")
	}
}

func TestTheWaitForAHandshakeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	to := listenOnce(t, func(net.Conn) { cancel() })
	if _, err := openLink(ctx, to, nil); err == nil {
		t.Error("there is no broker")
	}
}

func TestFramesOfAConnection(t *testing.T) {
	broker := newFakeBroker(t)
	opened := make(chan *link, 1)
	go func() {
		to, _ := parseEndpoint("endpoint", broker.endpoint)
		l, err := openLink(context.Background(), to, nil)
		if err != nil {
			t.Error(err)
		}
		opened <- l
	}()
	p := broker.accept()
	l := <-opened
	if l == nil {
		t.Fatal("no connection")
	}
	defer l.close()
	large := strings.Repeat("x", 2<<20)
	go func() { _ = p.conn.SendMsg(zmq4.NewMsgString(large)) }()
	if data, err := l.receive(); err != nil || string(data) != large {
		t.Error(len(data), err)
	}
	_, _ = p.raw.Write([]byte("\x04\x0a\x04PING\x00\x0aabc\x00\x02hi")) // ZMTP's own ping, and a message
	if data, err := l.receive(); err != nil || string(data) != "hi" {
		t.Error(data, err)
	}
	pong := make([]byte, 10)
	if _, err := p.raw.Read(pong); err != nil || string(pong) != "\x04\x08\x04PONGabc" {
		t.Errorf("%q, %v", pong, err)
	}
	_, _ = p.raw.Write(longFrame(0, receivedBytesMax+1))
	if _, err := l.receive(); err == nil || !strings.Contains(err.Error(), "at most 16 MiB") {
		t.Error(err)
	}
	p.raw.Close()
	if err := l.send([]byte("x")); err == nil {
		t.Error("it sends into a connection that is closed")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x92\xa4ping\x80"))
	f.Add([]byte("\x92\xa4work\x81\xa6blocks\x91\x81\xa5lease\x01"))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = readMessage(data) })
}
