package bellis

import (
	"context"
	"time"
)

const (
	redialFirst = 20 * time.Millisecond
	redialMost  = time.Second
)

// keeper keeps a connection to a broker: it dials, reads, and dials again when the connection has
// broken. Its goroutine waits for the network, and nobody waits for it.
type keeper struct {
	to     endpoint
	keys   *curveKeys
	stop   context.CancelFunc
	ctx    context.Context
	ended  chan struct{} // when the goroutine has ended
	events connectionEvents
}

// connectionEvents are told, by one goroutine, what happens to the connection.
type connectionEvents interface {
	isUp(l *link)         // greet the broker over it
	hears(message []byte) // of the link that is up
	isDown(err error)     // the link that was up is broken, or none can be made
}

func keep(to endpoint, keys *curveKeys, events connectionEvents) *keeper {
	k := &keeper{to: to, keys: keys, events: events, ended: make(chan struct{})}
	k.ctx, k.stop = context.WithCancel(context.Background())
	go k.run()
	return k
}

func (k *keeper) run() {
	defer close(k.ended)
	pause := redialFirst
	for k.ctx.Err() == nil {
		began := time.Now()
		l, err := openLink(k.ctx, k.to, k.keys)
		if err == nil {
			err = k.read(l)
		}
		if k.ctx.Err() != nil {
			return
		}
		k.events.isDown(err)
		if time.Since(began) > 2*redialMost {
			pause = redialFirst
		}
		select {
		case <-k.ctx.Done():
		case <-time.After(pause):
		}
		if pause *= 2; pause > redialMost {
			pause = redialMost
		}
	}
}

func (k *keeper) read(l *link) error {
	defer l.close()
	k.events.isUp(l)
	for {
		message, err := l.receive()
		if err != nil {
			return err
		}
		k.events.hears(message)
	}
}

// finish ends the connection when what was sent has arrived; nil: there is none.
func (k *keeper) finish(l *link) {
	k.stop()
	if l != nil {
		l.finish(k.ended)
	}
	<-k.ended
}
