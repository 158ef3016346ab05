package main

import (
	"context"
	"fmt"
	"log"
	"os"

	bellis "github.com/funkelab/bellis/client/go"
)

func main() {
	var nx, ny, nz int64
	fmt.Sscan(os.Getenv("POLYGLOT_SHAPE"), &nx, &ny, &nz)
	scan, err := os.Open(os.Getenv("POLYGLOT_INPUT"))
	if err != nil {
		log.Fatal(err)
	}
	mean, err := os.OpenFile(os.Getenv("POLYGLOT_OUTPUT"), os.O_WRONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	_, err = bellis.Work(func(ctx context.Context, block *bellis.Block) error {
		begin, shape := block.Write.Offset, block.Write.Shape
		row := make([]byte, shape[2]+2)
		for x := begin[0]; x < begin[0]+shape[0]; x++ {
			for y := begin[1]; y < begin[1]+shape[1]; y++ {
				sums := make([]int, shape[2])
				for near := int64(0); near < 9; near++ {
					place := ((x+near/3-1)*ny+y+near%3-1)*nz + begin[2] - 1
					if _, err := scan.ReadAt(row, place); err != nil {
						return err
					}
					for z := range sums {
						sums[z] += int(row[z]) + int(row[z+1]) + int(row[z+2])
					}
				}
				for z := range sums {
					row[z] = byte((sums[z] + 13) / 27)
				}
				if _, err := mean.WriteAt(row[:len(sums)], (x*ny+y)*nz+begin[2]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}
