package bellis

import (
	"encoding/json"
	"os"
	"strconv"
)

// Access is what a program needs to talk to a broker. On tcp each side proves by its keys who it
// is; where nothing is encrypted (ipc, --insecure) a token takes their place.
type Access struct {
	Endpoint  string `json:"endpoint"`   // ipc://PATH or tcp://HOST:PORT
	ServerKey string `json:"server_key"` // the broker's public key: 40 characters of Z85
	PublicKey string `json:"public_key"` // this side's keys, set together with ServerKey
	SecretKey string `json:"secret_key"`
	Token     string `json:"token"`
}

// ReadAccess reads an access file, as a broker on tcp writes it. Nobody but its owner may have
// access to the file (mode 0600). Errors name the path.
func ReadAccess(path string) (Access, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Access{}, environmentError("the access file cannot be read: %v", err)
	}
	state, err := os.Stat(path)
	if err != nil {
		return Access{}, environmentError("the access file cannot be read: %v", err)
	}
	if mode := state.Mode().Perm(); mode&0o077 != 0 {
		return Access{}, environmentError(
			"the access file %s has mode %04o, so others can use it; expected 0600", path, mode)
	}
	var access Access
	if err := json.Unmarshal(data, &access); err != nil {
		return Access{}, environmentError("%s is not an access file: %v", path, err)
	}
	return access, nil
}

// AccessFromEnvironment reads BELLIS_ENDPOINT, and BELLIS_SERVER_KEY, BELLIS_PUBLIC_KEY,
// BELLIS_SECRET_KEY and BELLIS_TOKEN. If none of the last four is set, keys or a token come from the
// access file that BELLIS_ACCESS names; its endpoint counts where BELLIS_ENDPOINT is not set.
func AccessFromEnvironment() (Access, error) {
	access := Access{
		Endpoint:  os.Getenv("BELLIS_ENDPOINT"),
		ServerKey: os.Getenv("BELLIS_SERVER_KEY"),
		PublicKey: os.Getenv("BELLIS_PUBLIC_KEY"),
		SecretKey: os.Getenv("BELLIS_SECRET_KEY"),
		Token:     os.Getenv("BELLIS_TOKEN"),
	}
	path := os.Getenv("BELLIS_ACCESS")
	if path == "" || access != (Access{Endpoint: access.Endpoint}) {
		return access, nil
	}
	found, err := ReadAccess(path)
	if err == nil && access.Endpoint != "" {
		found.Endpoint = access.Endpoint
	}
	return found, err
}

// defaultEndpoint is where a broker of this user listens by default.
func defaultEndpoint() string {
	if folder := os.Getenv("XDG_RUNTIME_DIR"); folder != "" && folder[0] == '/' && isOurs(folder) {
		return "ipc://" + folder + "/bellis/broker.sock"
	}
	return "ipc:///tmp/bellis-" + strconv.Itoa(os.Getuid()) + "/broker.sock"
}

// keys returns the keys of CURVE; nil where there are none.
func (a Access) keys() (*curveKeys, error) {
	if a.ServerKey == "" && a.PublicKey == "" && a.SecretKey == "" {
		return nil, nil
	}
	var keys curveKeys
	for _, each := range []struct {
		name, text string
		key        *[keyBytes]byte
		secret     bool
	}{
		{"server_key (BELLIS_SERVER_KEY)", a.ServerKey, &keys.server, false},
		{"public_key (BELLIS_PUBLIC_KEY)", a.PublicKey, &keys.public, false},
		{"secret_key (BELLIS_SECRET_KEY)", a.SecretKey, &keys.secret, true},
	} {
		key, ok := parseKey(each.text)
		if !ok {
			shown := strconv.Quote(each.text)
			if each.secret && each.text != "" {
				shown = "not shown here"
			}
			return nil, environmentError("%s is %s: expected 40 characters of Z85; "+
				"set server_key, public_key and secret_key together, or none of them", each.name, shown)
		}
		*each.key = key
	}
	return &keys, nil
}
