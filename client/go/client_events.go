package bellis

import (
	"sort"
	"time"
)

// clientEvents are what the keeper's goroutine tells a client.
type clientEvents client

func (e *clientEvents) isUp(l *link) {
	c := (*client)(e)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isClosed || c.failure != nil {
		l.close()
		return
	}
	c.link = l
	c.quiet, c.asked = bootTime(), 0
	c.hello()
}

func (c *client) hello() {
	c.isWelcome = false
	c.say("hello", pairs{{"version", 1}, {"role", "client"}, {"token", c.options.Token},
		{"language", "go"}})
}

func (e *clientEvents) isDown(err error) {
	c := (*client)(e)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.link, c.isWelcome, c.trouble = nil, false, err
}

func (e *clientEvents) hears(data []byte) {
	c := (*client)(e)
	message, err := readMessage(data)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.heard = bootTime()
	c.quiet, c.asked = c.heard, 0
	if err != nil {
		c.tellOnly(err)
		return
	}
	switch m := message.(type) {
	case welcome:
		c.onWelcome(m)
	case refusal:
		c.onRefusal(m)
	case interface{ request() uint64 }:
		if r := c.requests[m.request()]; r != nil {
			c.tell(r, message)
		}
	}
}

func (c *client) onWelcome(m welcome) {
	if c.isWelcome {
		return
	}
	if m.Version != 1 {
		c.fail(&Error{CodeVersion, "the broker speaks another version of the protocol than 1"})
		return
	}
	c.isWelcome, c.broker = true, m.Broker
	if c.greetings++; c.greetings == 1 {
		close(c.first)
	}
	var open []*request
	for _, r := range c.requests {
		open = append(open, r)
	}
	sort.Slice(open, func(i, j int) bool { return open[i].number < open[j].number })
	for _, r := range open {
		c.sendRequest(r)
	}
}

func (c *client) onRefusal(m refusal) {
	switch r := c.requests[m.Req]; {
	case r != nil:
		c.tell(r, m.asError())
	case m.Code == CodeHelloFirst:
		if c.isWelcome {
			c.hello()
		}
	case !c.isWelcome:
		c.fail(m.asError())
	default:
		c.tellOnly(m.asError())
	}
}

// tellOnly tells an error that names no request: it is the only open one's, if there is one.
func (c *client) tellOnly(err error) {
	if len(c.requests) == 1 {
		for _, r := range c.requests {
			c.tell(r, err)
		}
	}
}

func (c *client) fail(err error) {
	if c.failure != nil {
		return
	}
	c.failure = err
	if c.greetings == 0 {
		c.greetings++
		close(c.first)
	}
	for _, r := range c.requests {
		c.tell(r, err)
	}
}

// tick asks a silent broker for a sign, and opens the connection again.
func (c *client) tick() {
	defer close(c.ticks)
	every := c.options.PingInterval / 4
	if every > time.Second {
		every = time.Second
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := bootTime()
	for {
		select {
		case <-c.stopped:
			return
		case <-ticker.C:
		}
		c.mutex.Lock()
		now := bootTime()
		if gap := now - last; gap > stoppedMin {
			c.heard += gap // that time does not count
			c.quiet += gap
		}
		last = now
		c.onTick(now)
		c.mutex.Unlock()
	}
}

func (c *client) onTick(now time.Duration) {
	if now-c.heard >= c.options.Timeout {
		for _, r := range c.requests {
			if r.kind == "watch" { // others have their own time
				c.tell(r, c.noBroker(c.options.Timeout))
			}
		}
	}
	if c.link == nil {
		return
	}
	switch every := c.options.PingInterval; {
	case c.asked != 0 && now-c.asked >= every:
		c.quiet, c.asked = now, 0
		c.link.close() // the keeper opens another
	case c.asked == 0 && now-c.quiet >= every:
		c.asked = now
		if c.isWelcome {
			c.say("ping", nil)
		} else {
			c.hello()
		}
	}
}
