package dispatch

import "sync"

// crew runs the workers of all lanes on goroutines that wait for the next task
// when they have done one: their stacks have grown to what an attempt needs,
// which a new goroutine's would have to do each time.
type crew struct {
	wg    sync.WaitGroup // of tasks, not of goroutines that wait for one
	tasks chan func()    // nil: go home
	over  chan struct{}  // closed when no task comes any more
}

func newCrew() crew { return crew{tasks: make(chan func()), over: make(chan struct{})} }

// run runs a task at once, beside all others.
func (c *crew) run(task func()) {
	c.wg.Add(1)
	select {
	case c.tasks <- task:
	default: // all are busy
		go c.work(task)
	}
}

func (c *crew) work(task func()) {
	for task != nil {
		task()
		c.wg.Done()
		select {
		case task = <-c.tasks:
		case <-c.over:
			return
		}
	}
}

// sendHome ends the goroutines that have nothing to do right now.
func (c *crew) sendHome() {
	for {
		select {
		case c.tasks <- nil:
		default:
			return
		}
	}
}
