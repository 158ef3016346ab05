module github.com/funkelab/bellis/client/go

go 1.19

require (
	github.com/go-zeromq/zmq4 v0.15.0
	github.com/vmihailenco/msgpack/v5 v5.4.1
	golang.org/x/crypto v0.23.0
)

require (
	github.com/go-zeromq/goczmq/v4 v4.2.2 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	golang.org/x/sync v0.0.0-20220601150217-0de741cfad7f // indirect
	golang.org/x/sys v0.20.0 // indirect
	golang.org/x/text v0.15.0 // indirect
)
