package bellis

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// client is a connection of a Control: requests that are open, and their answers.
type client struct {
	options ControlOptions
	keeper  *keeper
	first   chan struct{} // closed by the first welcome, or a failure
	stopped chan struct{}
	ticks   chan struct{}

	mutex      sync.Mutex
	link       *link
	isWelcome  bool
	isClosed   bool
	greetings  int
	broker     string
	failure    error
	trouble    error
	heard      time.Duration // when the last message came
	quiet      time.Duration // since when the link is silent
	asked      time.Duration // when it was asked for a sign, since then; 0: not yet
	lastNumber uint64
	requests   map[uint64]*request
}

// request is one that is open.
type request struct {
	number uint64
	kind   string
	data   []byte
	wasOut bool          // it was sent over some connection
	wake   chan struct{} // it has news
	news   any           // the latest: an answer, progress, or an error
}

func newClient(ctx context.Context, options ControlOptions) (*client, error) {
	to, err := parseEndpoint("endpoint (BELLIS_ENDPOINT)", options.Endpoint)
	if err != nil {
		return nil, err
	}
	keys, err := options.keys()
	if err != nil {
		return nil, err
	}
	c := &client{
		options: options, first: make(chan struct{}), stopped: make(chan struct{}),
		ticks: make(chan struct{}), heard: bootTime(), requests: map[uint64]*request{},
	}
	c.mutex.Lock()
	c.keeper = keep(to, keys, (*clientEvents)(c))
	c.mutex.Unlock()
	go c.tick()
	timeout := time.NewTimer(options.ConnectTimeout)
	defer timeout.Stop()
	select {
	case <-c.first:
		c.mutex.Lock()
		err = c.failure
		c.mutex.Unlock()
	case <-timeout.C:
		c.mutex.Lock()
		err = c.noBroker(options.ConnectTimeout)
		c.mutex.Unlock()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) noBroker(silence time.Duration) error {
	message := fmt.Sprintf("no broker answers at %s for %v", c.options.Endpoint, silence)
	if c.trouble != nil {
		message += ": " + c.trouble.Error()
	}
	return &Error{CodeNoBroker, message}
}

func (c *client) brokerName() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.broker
}

// open sends a request.
func (c *client) open(kind string, fields pairs) (*request, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.failure != nil {
		return nil, c.failure
	}
	c.lastNumber++
	data, err := encode(kind, append(pairs{{"req", c.lastNumber}}, fields...))
	if err != nil {
		return nil, err
	}
	r := &request{number: c.lastNumber, kind: kind, data: data, wake: make(chan struct{}, 1)}
	c.requests[r.number] = r
	if c.isWelcome {
		c.sendRequest(r)
	}
	return r, nil
}

func (c *client) forget(r *request) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.requests, r.number)
}

// ask sends a request, and waits for its answer.
func (c *client) ask(ctx context.Context, kind string, fields pairs) (any, error) {
	r, err := c.open(kind, fields)
	if err != nil {
		return nil, err
	}
	defer c.forget(r)
	timeout := time.NewTimer(c.options.Timeout)
	defer timeout.Stop()
	select {
	case <-r.wake:
		return c.take(r)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timeout.C:
		c.mutex.Lock()
		defer c.mutex.Unlock()
		return nil, c.noBroker(c.options.Timeout)
	}
}

func (c *client) take(r *request) (any, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err, failed := r.news.(error); failed {
		return nil, err
	}
	return r.news, nil
}

// watch is Control.Watch.
func (c *client) watch(ctx context.Context, job string, intervalMs uint32, see func(JobStatus) error) (JobStatus, error) {
	r, err := c.open("watch", pairs{{"job", job}, {"interval_ms", intervalMs}})
	if err != nil {
		return JobStatus{}, err
	}
	defer c.forget(r)
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return JobStatus{}, ctx.Err()
		}
		news, err := c.take(r)
		if err != nil {
			return JobStatus{}, err
		}
		switch n := news.(type) {
		case progress:
			if err := see(n.Status); err != nil {
				return n.Status, err
			}
		case ended:
			return n.Status, see(n.Status)
		default:
			return JobStatus{}, badMessage("the broker answers a watch with another kind of message")
		}
	}
}

func (c *client) close() {
	c.mutex.Lock()
	if c.isClosed {
		c.mutex.Unlock()
		return
	}
	c.isClosed = true
	l := c.link
	c.link = nil
	if l != nil {
		if data, err := encode("bye", nil); err == nil {
			_ = l.send(data)
		}
	}
	c.mutex.Unlock()
	close(c.stopped)
	c.keeper.finish(l)
	<-c.ticks
}

// sendRequest sends an open request over this connection. A submit goes out once.
func (c *client) sendRequest(r *request) {
	if r.wasOut && r.kind == "submit" {
		c.tell(r, c.noAnswer())
		return
	}
	r.wasOut = true
	c.send(r.data)
}

func (c *client) noAnswer() error {
	return &Error{CodeNoBroker, "the connection broke before the answer to the submit: " +
		"it may have been carried out, or not; ask for the status"}
}

func (c *client) send(data []byte) {
	if c.link != nil && c.link.send(data) != nil {
		c.link.close() // the keeper finds out
		c.isWelcome = false
	}
}

func (c *client) say(kind string, fields pairs) {
	if data, err := encode(kind, fields); err == nil {
		c.send(data)
	}
}

func (c *client) tell(r *request, news any) {
	if _, hasEnded := r.news.(ended); hasEnded {
		return
	}
	r.news = news
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
