// Prints a Compose file as `docker compose config --format json` does, with Compose's own loader and no Docker.
// Usage: compose_config FILE[,FILE...] [PROFILE...]; variables come from the environment alone.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(strings.Split(os.Args[1], ","), cli.WithOsEnv, cli.WithProfiles(os.Args[2:]))
	if err == nil {
		project, loadErr := options.LoadProject(context.Background())
		if err = loadErr; err == nil {
			var text []byte
			if text, err = project.MarshalJSON(); err == nil {
				fmt.Println(string(text))
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
