package main

import (
	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

func init() {
	programs["kwok"] = runKwok
}

func runKwok() {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true // the rest is parsed by the command
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	check(err)
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError) // those of Kubernetes are in the way
	command := cmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	check(command.ExecuteContext(ctx))
}
