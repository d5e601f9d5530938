// Every program of the test cluster in one binary: the first argument says which one to be.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
)

// Filled by the init functions of the other files, so that a file can be left out of a build.
var programs = map[string]func(){}

func main() {
	if len(os.Args) > 1 {
		if run, found := programs[os.Args[1]]; found {
			os.Args = os.Args[1:]
			run()
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: controlplane PROGRAM [FLAG...], where PROGRAM is one of",
		slices.Sorted(maps.Keys(programs)))
	os.Exit(2)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Args[0]+":", err)
		os.Exit(1)
	}
}
