package bellis

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

const ipcPathMax = 107 // bytes, of a socket file's path

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?$`)
	// The resolver takes "127.1" and "0x7f000001" for addresses, but other programs do not.
	endsInNumber = regexp.MustCompile(`(^|\.)([0-9]+|0[xX][^.]*)\.?$`)
	portNumber   = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
)

// endpoint is where a broker listens, for net.Dialer.
type endpoint struct {
	network string // unix or tcp
	address string
}

// parseEndpoint reads "ipc://PATH" or "tcp://HOST:PORT" by the rules of the broker
// (TRANSPORT.md, "Endpoints"). `field` names the text in errors.
func parseEndpoint(field, text string) (endpoint, error) {
	trouble := "expected ipc://PATH or tcp://HOST:PORT"
	var read endpoint
	if path := strings.TrimPrefix(text, "ipc://"); path != text {
		read, trouble = endpoint{"unix", path}, pathTrouble(path)
	} else if rest := strings.TrimPrefix(text, "tcp://"); rest != text {
		read, trouble = readTCP(rest)
	}
	if trouble != "" {
		return endpoint{}, environmentError(`%s is "%s": %s`, field, text, trouble)
	}
	return read, nil
}

func pathTrouble(path string) string {
	switch {
	case path == "":
		return "expected a path after ipc://"
	case path[0] == '@':
		return "a path that begins with @ is an abstract socket, which every user of the machine " +
			"can reach: expected the path of a file in a directory of mode 0700"
	case path[0] == '*':
		return "with * libzmq takes a file of its own choice: expected a path"
	case strings.ContainsAny(path, controls):
		return "the path has control characters"
	case len(path) > ipcPathMax:
		return fmt.Sprintf("the path has %d bytes: at most 107 are accepted", len(path))
	}
	return ""
}

var controls = func() string {
	text := "\x7f"
	for c := rune(0); c < ' '; c++ {
		text += string(c)
	}
	return text
}()

// readTCP reads HOST:PORT.
func readTCP(text string) (read endpoint, trouble string) {
	if strings.Contains(text, ";") {
		return read, "one address is accepted, and no list of them (;)"
	}
	colon := strings.LastIndexByte(text, ':')
	if colon <= 0 || colon+1 == len(text) {
		return read, "expected tcp://HOST:PORT"
	}
	host, port := text[:colon], text[colon+1:]
	if host[0] == '[' && host[len(host)-1] == ']' {
		if host = host[1 : len(host)-1]; !strings.Contains(host, ":") {
			return read, fmt.Sprintf(`"%s" is not an IPv6 address`, host)
		}
	} else if strings.Contains(host, ":") {
		return read, "expected an IPv6 address in brackets, as in tcp://[::1]:5555"
	}
	if trouble := hostTrouble(host); trouble != "" {
		return read, trouble
	}
	if number, _ := strconv.Atoi(port); !portNumber.MatchString(port) || number > 65535 {
		return read, fmt.Sprintf(`port "%s" is not accepted: expected a number from 1 to 65535`, port)
	}
	return endpoint{"tcp", net.JoinHostPort(host, port)}, ""
}

func hostTrouble(host string) string {
	address := net.ParseIP(host)
	switch {
	case host == "*":
		return "* is not accepted as a host: expected a name or an address; a broker may listen at " +
			"0.0.0.0, every IPv4 address of its machine, or at [::], every address"
	case strings.Contains(host, ":") && address == nil:
		return fmt.Sprintf(`"%s" is not an IPv6 address`, host)
	case !strings.Contains(host, ":") && endsInNumber.MatchString(host) && address == nil:
		return fmt.Sprintf(`"%s" is not an IPv4 address: expected four numbers from 0 to 255`, host)
	case address == nil && (len(host) > 253 || !hostName.MatchString(host)):
		return fmt.Sprintf(`"%s" is not a host name: expected letters, digits, -, _ and dots `+
			`between them`, host)
	case address != nil && address.IsUnspecified():
		return host + " stands for every address of the broker's machine: expected one of them, or " +
			"its name"
	}
	return ""
}
