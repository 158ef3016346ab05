// A client of Bellis. It submits the job in a JSON file, which has the keys of a pipeline file, and
// prints how far it is until it has ended:
//
//	submit JOB.json
//
// BELLIS_ENDPOINT or BELLIS_ACCESS say where the broker is; by default it is one of this user.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	bellis "github.com/funkelab/bellis/client/go"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: submit JOB.json")
	}
	state, err := submit(context.Background(), os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if fmt.Println(state); state != "completed" {
		os.Exit(1)
	}
}

func submit(ctx context.Context, path string) (state string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	job, err := bellis.JobFromJSON(text)
	if err != nil {
		return "", err
	}
	control, err := bellis.ControlFromEnvironment(ctx)
	if err != nil {
		return "", err
	}
	defer control.Close()
	submitted, err := control.Submit(ctx, job)
	if err != nil {
		return "", err
	}
	last, err := control.Watch(ctx, submitted.Job, time.Second, func(now bellis.JobStatus) error {
		for _, task := range now.Tasks {
			fmt.Printf("%s: %d of %d blocks\n", task.Task, task.Completed, task.Blocks)
		}
		return nil
	})
	return last.State, err
}
