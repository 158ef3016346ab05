package bellis

import (
	"net"
	"regexp"
	"strconv"
	"strings"
)

const ipcPathMax = 107 // bytes, of a socket file's path

var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,253}$`)

// endpoint is where a broker listens, for net.Dialer.
type endpoint struct {
	network string // unix or tcp
	address string
}

// parseEndpoint reads "ipc://PATH" or "tcp://HOST:PORT" (TRANSPORT.md, "Endpoints"). `field` names
// the text in errors.
func parseEndpoint(field, text string) (endpoint, error) {
	refuse := func(why string) (endpoint, error) {
		return endpoint{}, environmentError(
			"%s is %q: %s; expected ipc://PATH or tcp://HOST:PORT", field, text, why)
	}
	if path, found := cutPrefix(text, "ipc://"); found {
		switch {
		case path == "" || len(path) > ipcPathMax:
			return refuse("the path has 1 to 107 bytes")
		case path[0] == '@' || path[0] == '*' || strings.ContainsAny(path, ";\x00"):
			return refuse("it is not the path of a socket file")
		}
		return endpoint{"unix", path}, nil
	}
	rest, found := cutPrefix(text, "tcp://")
	if !found {
		return refuse("it is neither ipc nor tcp")
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return refuse("it has no host and port")
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return refuse("the port is not 1 to 65535")
	}
	if strings.HasPrefix(rest, "[") != strings.Contains(host, ":") ||
		(strings.Contains(host, ":") && net.ParseIP(strings.SplitN(host, "%", 2)[0]) == nil) {
		return refuse("an IPv6 address stands in brackets, and nothing else does")
	}
	if !strings.Contains(host, ":") && !hostName.MatchString(host) {
		return refuse("the host is neither a name nor an address")
	}
	return endpoint{"tcp", net.JoinHostPort(host, port)}, nil
}

func cutPrefix(text, prefix string) (string, bool) {
	return strings.TrimPrefix(text, prefix), strings.HasPrefix(text, prefix)
}
