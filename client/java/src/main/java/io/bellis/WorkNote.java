package io.bellis;

/** Where a worker notes what it works on (WORKERS.md, "What a worker works on"). */
interface WorkNote {
  /** The lease of a worker that works on several blocks. */
  long SEVERAL = -1;

  /** Notes that the connection {@code worker} works on {@code lease}; 0: on none. */
  void set(long worker, long lease);

  /** Takes the note away. */
  void erase();

  /** Notes nothing. */
  WorkNote NOWHERE =
      new WorkNote() {
        @Override
        public void set(long worker, long lease) {}

        @Override
        public void erase() {}
      };
}
