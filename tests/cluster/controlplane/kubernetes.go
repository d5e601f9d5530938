package main

import (
	"context"
	"os"
	_ "time/tzdata" // time zones of CronJobs

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func init() {
	programs["etcd"] = func() { etcdmain.Main(os.Args) }
	programs["kube-apiserver"] = func() { run(apiserver.NewAPIServerCommand()) }
	programs["kube-controller-manager"] = func() { run(controllers.NewControllerManagerCommand()) }
	programs["kube-scheduler"] = func() { run(scheduler.NewSchedulerCommand()) }
	programs["kubelet"] = func() { run(kubelet.NewKubeletCommand(context.Background())) }
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}
