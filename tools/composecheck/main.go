// Command composecheck reads a compose file as docker compose does, by the schema of the Compose Specification, and looks for the files that it mounts. It is a module of its own, so
// that the specification's library is not in Vecmill's go.mod.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: composecheck FILE")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "composecheck:", err)
		os.Exit(1)
	}
}

// check loads the file (schema, references between services, volumes, conditions) and gives every fault of its mounts.
func check(path string) error {
	o, err := cli.NewProjectOptions([]string{path})
	if err != nil {
		return err
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		return err
	}
	var faults []error
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				faults = append(faults, fmt.Errorf("service %s: %w", name, err))
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				faults = append(faults, fmt.Errorf("service %s: port %s is open to others", name, port.Published))
			}
		}
	}
	return errors.Join(faults...)
}
