package main

import (
	"crypto/tls"
	"flag"
	"path/filepath"

	trainingoperator "github.com/kubeflow/training-operator/pkg/apis/kubeflow.org/v1"
	"github.com/kubeflow/training-operator/pkg/config"
	training "github.com/kubeflow/training-operator/pkg/controller.v1"
	"github.com/kubeflow/training-operator/pkg/controller.v1/common"
	trainingwebhooks "github.com/kubeflow/training-operator/pkg/webhooks"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	jobset "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	jobsetcontrollers "sigs.k8s.io/jobset/pkg/controllers"
	jobsetwebhooks "sigs.k8s.io/jobset/pkg/webhooks"
)

// Both operators are upstream's controllers and webhooks. Upstream's own main functions get the certificates of their
// webhooks through a Secret, a Service and a fixed folder in /tmp: two clusters on one machine would fight for it.

func init() {
	programs["training-operator"] = runTrainingOperator
	programs["jobset"] = runJobSet
}

func runTrainingOperator() {
	flag.StringVar(&config.Config.PyTorchInitContainerTemplateFile, "pytorch-init-container-template-file", "",
		"template of the container that waits for the master")
	mgr := newManager(trainingoperator.AddToScheme)
	config.Config.PyTorchInitContainerMaxTries = config.PyTorchInitContainerMaxTriesDefault
	for _, kind := range []string{trainingoperator.TFJobKind, trainingoperator.PyTorchJobKind, trainingoperator.XGBoostJobKind} {
		check(training.SupportedSchemeReconciler[kind](mgr, common.GenNonGangSchedulerSetupFunc(), 4))
		check(trainingwebhooks.SupportedSchemeWebhook[kind](mgr))
	}
	check(mgr.Start(ctrl.SetupSignalHandler()))
}

func runJobSet() {
	mgr := newManager(jobset.AddToScheme)
	ctx := ctrl.SetupSignalHandler()
	check(jobsetcontrollers.SetupJobSetIndexes(ctx, mgr.GetFieldIndexer()))
	check(jobsetcontrollers.SetupPodIndexes(ctx, mgr.GetFieldIndexer()))
	jobSets := jobsetcontrollers.NewJobSetReconciler(mgr.GetClient(), mgr.GetScheme(), mgr.GetEventRecorder("jobset"))
	check(jobSets.SetupWithManager(mgr))
	pods := jobsetcontrollers.NewPodReconciler(mgr.GetClient(), mgr.GetScheme(), mgr.GetEventRecorder("pod"))
	check(pods.SetupWithManager(mgr))
	check(jobsetwebhooks.Setup(mgr))
	check(mgr.Start(ctx))
}

func newManager(addToScheme func(*runtime.Scheme) error) manager.Manager {
	port := flag.Int("webhook-port", 0, "port on 127.0.0.1 for the admission webhooks")
	certificates := flag.String("cert-dir", "", "folder with tls.crt and tls.key")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	scheme := runtime.NewScheme()
	check(clientgoscheme.AddToScheme(scheme))
	check(addToScheme(scheme))
	// Read once: to watch its files would take one of the few inotify instances of the machine.
	certificate, err := tls.LoadX509KeyPair(
		filepath.Join(*certificates, "tls.crt"), filepath.Join(*certificates, "tls.key"))
	check(err)
	known := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
	rest := ctrl.GetConfigOrDie()
	rest.QPS, rest.Burst = 500, 1000 // the defaults (20, 30) would be the only thing a load test measures
	mgr, err := ctrl.NewManager(rest, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{
			Host: "127.0.0.1", Port: *port,
			TLSOpts: []func(*tls.Config){func(given *tls.Config) { given.GetCertificate = known }},
		}),
	})
	check(err)
	return mgr
}
