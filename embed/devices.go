package embed

import "slices"

// DeviceCosts are what an engine has learnt of one of its devices.
type DeviceCosts struct {
	Device string  // its name, see EngineConfig
	Costs  Costs   // what batches are taken to take on it, seconds; all 0 before the first, unless they were known
	Miss   float64 // mean relative error of the latest predictions
}

// deviceCostsLocked are those of every device.
func (e *Engine) deviceCostsLocked() []DeviceCosts {
	all := make([]DeviceCosts, len(e.devices))
	for i, m := range e.mu.costs {
		all[i] = DeviceCosts{Device: e.devices[i], Miss: m.Miss()}
		if c, known := m.Costs(); known {
			all[i].Costs = c
		}
	}
	return all
}

// device is the number of the device that a session runs on. A new one gets a model of its costs.
func (e *Engine) device(session int) int {
	name := ""
	if len(e.cfg.Devices) > 0 {
		name = e.cfg.Devices[session]
	}
	at := slices.Index(e.devices, name)
	if at < 0 {
		at = len(e.devices)
		e.devices = append(e.devices, name)
		e.mu.idle = append(e.mu.idle, 0)
		e.mu.costs = append(e.mu.costs, NewCostModelFrom(e.cfg.Costs, e.cfg.Batch.MaxCost, e.cfg.FLOPs))
	}
	return at
}
