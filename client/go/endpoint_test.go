package bellis

import (
	"encoding/json"
	"net"
	"os"
	"strconv"
	"testing"
)

func TestEndpointsAreReadAsTheBrokerReadsThem(t *testing.T) {
	text, err := os.ReadFile("../../tests/common/endpoints.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text, Path, Host, Refused string
		Port                      int
		PortRefused               *string `json:"port_refused"`
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 50 {
		t.Fatal(len(cases), err)
	}
	for _, each := range cases {
		if each.PortRefused != nil {
			each.Refused = `port "` + *each.PortRefused + `" is not accepted: expected a number from 1 to 65535`
		}
		expected := endpoint{"unix", each.Path}
		if each.Path == "" {
			expected = endpoint{"tcp", net.JoinHostPort(each.Host, strconv.Itoa(each.Port))}
		}
		got, err := parseEndpoint("field", each.Text)
		if each.Refused != "" {
			if said := `field is "` + each.Text + `": ` + each.Refused; err == nil || err.(*Error).Message != said {
				t.Errorf("%q: %v; expected %s", each.Text, err, said)
			}
		} else if err != nil || got != expected {
			t.Errorf("%q: %v, %v; expected %v", each.Text, got, err, expected)
		}
	}
}
