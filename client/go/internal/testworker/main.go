// A worker for tests with real brokers. It appends the index of each block to the file "done".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	bellis "github.com/funkelab/bellis/client/go"
)

var (
	pause   = flag.Duration("sleep", 0, "how long a block takes")
	fails   = flag.Int64("fail", -1, "the index of a block that fails")
	panics  = flag.Int64("panic", -1, "the index of a block that panics")
	hangs   = flag.Int64("hang", -1, "the index of a block that takes no notice of its context")
	answer  = flag.Int64("yes", -1, "the index of a block to which a checker says yes")
	ping    = flag.Duration("ping", 0, "how long the broker may be silent")
	quietly = flag.Bool("quiet", false, "do nothing with a block")
)

// conform does what `bellis conformance` asks of a worker (tests/conformance/README.md).
func conform() error {
	if ms, _ := strconv.Atoi(os.Getenv("BELLIS_CONFORMANCE_MS")); ms > 0 {
		// A process, so that it is seen that it ends with the worker.
		if err := exec.Command("sleep", fmt.Sprint(float64(ms)/1000)).Run(); err != nil {
			return err
		}
	}
	if size, _ := strconv.Atoi(os.Getenv("BELLIS_CONFORMANCE_ERROR_BYTES")); size > 0 {
		return errors.New(strings.Repeat("x", size))
	}
	return nil
}

func process(ctx context.Context, block *bellis.Block) error {
	if *quietly {
		return conform()
	}
	switch int64(block.Index) {
	case *fails:
		return errors.New("no signal \xff here")
	case *panics:
		panic("no index")
	case *hangs:
		for begun := time.Now(); time.Since(begun) < time.Minute; {
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(*pause):
	}
	if block.Duty != "work" {
		if int64(block.Index) == *answer {
			return nil
		}
		return bellis.ErrNo
	}
	done, err := os.OpenFile("done", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer done.Close()
	_, err = fmt.Fprintln(done, block.Index)
	return err
}

func main() {
	log.SetFlags(0)
	flag.Parse()
	options, err := bellis.OptionsFromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	options.PingInterval = *ping
	begun := time.Now()
	blocks, err := bellis.WorkWith(context.Background(), options, process)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(blocks)
	if *quietly {
		fmt.Printf("%.0f blocks/s\n", float64(blocks)/time.Since(begun).Seconds())
	}
}
