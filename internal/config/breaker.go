package config

// Breaker stops a pipeline in which most records fail.
type Breaker struct {
	Window      *int `yaml:"window" doc:"last records looked at; 0 turns the breaker off, whatever max_failures is"`
	MaxFailures *int `yaml:"max_failures" doc:"failures among them that stop the pipeline, at least 1; silence means three quarters of window, rounded up"`
}

func (b *Breaker) fill() {
	if b.Window == nil {
		b.Window = new(200)
	}
	if b.MaxFailures == nil {
		b.MaxFailures = new(*b.Window - *b.Window/4)
	}
}

func (b *Breaker) validate(f *faults, at string) {
	switch window, failures := *b.Window, *b.MaxFailures; {
	case window < 0:
		f.add(at+".window", "%d is not at least 0, which turns the breaker off", window)
	case window == 0:
	case failures < 1:
		f.add(at+".max_failures", "%d is not at least 1; window: 0 turns the breaker off", failures)
	case failures > window:
		f.add(at+".max_failures", "%d is more than the window (%d)", failures, window)
	}
}
