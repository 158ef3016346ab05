// Package bellis has workers and clients of the blockwise task scheduler Bellis.
//
// A worker takes blocks of one task from a broker, one after the other. Work does all of it:
//
//	func main() {
//		_, err := bellis.Work(func(ctx context.Context, block *bellis.Block) error {
//			return smooth(ctx, block.Read, block.Write)
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
// With a loop of your own, Worker.Acquire gives the next block, and Block.Complete, Block.Fail or
// Block.Return hand it in.
//
// A launcher tells a worker in its environment where the broker is and what to work for; see
// OptionsFromEnvironment. Control submits, watches and steers jobs.
//
// # Faults
//
// When a connection breaks, or the broker is killed and started again, no work is lost: the worker
// keeps its blocks, and hands in results again that the broker may not have stored.
//
// With heartbeats (Options.Heartbeat) a block is handed to another worker if the broker has not
// heard of this one for the time of a lease. Before that, this process and the processes that it has
// started are killed if they still work on the block. On Linux the kernel does that, whatever the
// program does; while there are child processes, a goroutine does it, and kills them first. A second
// earlier the block's context ends.
//
// # Goroutines
//
// One goroutine at a time uses a Worker and its block. A program that works on several blocks at a
// time makes several Workers: the broker gives each a number of its own. A Control may be used by
// several goroutines at a time.
package bellis
