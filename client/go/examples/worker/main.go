// A worker of Bellis. It copies the write ROI of each block from one raw file of bytes to another of
// the same one-dimensional size:
//
//	worker INPUT OUTPUT
//
// A launcher or a user says in the environment where the broker is and what to work for.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	bellis "github.com/funkelab/bellis/client/go"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: worker INPUT OUTPUT")
	}
	input, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	output, err := os.OpenFile(os.Args[2], os.O_WRONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	blocks, err := bellis.Work(func(ctx context.Context, block *bellis.Block) error {
		data := make([]byte, block.Write.Shape[0])
		if _, err := input.ReadAt(data, block.Write.Offset[0]); err != nil {
			return err
		}
		_, err := output.WriteAt(data, block.Write.Offset[0])
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(blocks, "blocks")
}
