// Kueue in a program of its own: it and JobSet register feature gates of the same name, and one process cannot have both.
//
// Upstream's main wants its certificates in fixed folders, which two clusters on one machine would share. What a test
// has no use for is left out: several clusters, provisioning, metrics, election of a leader.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	configbeta1 "sigs.k8s.io/kueue/apis/config/v1beta1"
	configbeta2 "sigs.k8s.io/kueue/apis/config/v1beta2"
	queuesbeta1 "sigs.k8s.io/kueue/apis/kueue/v1beta1"
	queuesbeta2 "sigs.k8s.io/kueue/apis/kueue/v1beta2"
	waiting "sigs.k8s.io/kueue/pkg/cache/queue"
	admitted "sigs.k8s.io/kueue/pkg/cache/scheduler"
	"sigs.k8s.io/kueue/pkg/config"
	"sigs.k8s.io/kueue/pkg/constants"
	"sigs.k8s.io/kueue/pkg/controller/core"
	"sigs.k8s.io/kueue/pkg/controller/core/indexer"
	"sigs.k8s.io/kueue/pkg/controller/jobframework"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/job"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/jobset"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/kubeflow/jobs/pytorchjob"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/kubeflow/jobs/tfjob"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/kubeflow/jobs/xgboostjob"
	"sigs.k8s.io/kueue/pkg/controller/tas"
	tasindexer "sigs.k8s.io/kueue/pkg/controller/tas/indexer"
	"sigs.k8s.io/kueue/pkg/features"
	"sigs.k8s.io/kueue/pkg/resources"
	"sigs.k8s.io/kueue/pkg/scheduler"
	"sigs.k8s.io/kueue/pkg/scheduler/preemption/expectations"
	"sigs.k8s.io/kueue/pkg/util/kubeversion"
	"sigs.k8s.io/kueue/pkg/util/tlsconfig"
	"sigs.k8s.io/kueue/pkg/visibility"
	"sigs.k8s.io/kueue/pkg/webhooks"
)

func main() {
	file := flag.String("config", "", "the configuration, an absolute path")
	port := flag.Int("webhook-port", 0, "port on 127.0.0.1 for the admission and conversion webhooks")
	certificates := flag.String("cert-dir", "", "folder with tls.crt and tls.key")
	gates := flag.String("feature-gates", "", "NAME=true,...")
	flag.Parse()
	// The build says that the visibility API finds its certificate here: its folder can be set in no other way.
	check("folder of the certificates", os.Chdir(*certificates))
	ctrl.SetLogger(zap.New())

	scheme := knownKinds()
	options, cfg, err := config.Load(scheme, *file)
	check("configuration", err)
	check("feature gates", config.LoadAndValidateFeatureGates(*gates, cfg.FeatureGates).ToAggregate())
	check("configuration", config.Validate(&cfg, scheme).ToAggregate())
	options.Metrics = server.Options{BindAddress: "0"}
	options.WebhookServer = hooks(*port)

	connection := ctrl.GetConfigOrDie()
	connection.QPS, connection.Burst = 500, 1000 // as the operators beside it
	mgr, err := ctrl.NewManager(connection, options)
	check("manager", err)
	run(ctrl.SetupSignalHandler(), mgr, &cfg, connection)
}

func knownKinds() *runtime.Scheme {
	scheme := runtime.NewScheme()
	kinds := runtime.NewSchemeBuilder(clientgoscheme.AddToScheme, queuesbeta1.AddToScheme, queuesbeta2.AddToScheme,
		configbeta1.AddToScheme, configbeta2.AddToScheme)
	check("kinds", kinds.AddToScheme(scheme))
	check("kinds of jobs", jobframework.ForEachIntegration(
		func(_ string, job jobframework.IntegrationCallbacks) error {
			if job.AddToScheme == nil {
				return nil
			}
			return job.AddToScheme(scheme)
		}))
	return scheme
}

// hooks reads the certificate once: to watch its files would take one of the few inotify instances of the machine.
func hooks(port int) webhook.Server {
	certificate, err := tls.LoadX509KeyPair("tls.crt", "tls.key")
	check("certificate", err)
	known := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
	return webhook.NewServer(webhook.Options{
		Host: "127.0.0.1", Port: port,
		TLSOpts: []func(*tls.Config){func(given *tls.Config) { given.GetCertificate = known }},
	})
}

func run(ctx context.Context, mgr manager.Manager, cfg *configbeta2.Configuration, connection *rest.Config) {
	formatter, preemptions, requeuer := resources.NewResourceFormatter(), expectations.New(), waiting.NewRequeuer()
	check("requeuer", mgr.Add(requeuer))
	cache := admitted.New(mgr.GetClient(), admitted.WithResourceFormatter(formatter))
	queues := waiting.NewManager(mgr.GetClient(), cache, requeuer,
		waiting.WithResourceFormatter(formatter), waiting.WithPreemptionExpectations(preemptions))

	enabled := jobframework.WithEnabledFrameworks(cfg.Integrations.Frameworks)
	check("indexes", indexer.Setup(ctx, mgr.GetFieldIndexer()))
	check("indexes of jobs", jobframework.SetupIndexes(ctx, mgr.GetFieldIndexer(), enabled))
	named(core.SetupControllers(mgr, queues, cache, cfg,
		core.SetupControllersOpts{PreemptionExpectations: preemptions, ResourceFormatter: formatter}))
	if features.Enabled(features.TopologyAwareScheduling) {
		check("indexes of topologies", tasindexer.SetupIndexes(ctx, mgr.GetFieldIndexer()))
		named(tas.SetupControllers(mgr, queues, cache, cfg, nil))
	}
	managed, err := metav1.LabelSelectorAsSelector(cfg.ManagedJobsNamespaceSelector)
	check("namespaces", err)
	check("controllers of jobs", jobframework.SetupControllers(ctx, mgr, ctrl.Log, enabled,
		jobframework.WithKubeServerVersion(kubernetesVersion(mgr, connection)),
		jobframework.WithManageJobsWithoutQueueName(cfg.ManageJobsWithoutQueueName),
		jobframework.WithManagedJobsNamespaceSelector(managed),
		jobframework.WithManagerName(constants.KueueName),
		jobframework.WithCache(cache), jobframework.WithQueues(queues)))
	named(webhooks.Setup(mgr, nil))
	check("scheduler", mgr.Add(scheduler.New(queues, cache, mgr.GetClient(), mgr.GetEventRecorder(constants.AdmissionName),
		scheduler.WithPreemptionExpectations(preemptions), scheduler.WithResourceFormatter(formatter))))

	go queues.CleanUpOnContext(ctx)
	go cache.CleanUpOnContext(ctx)
	go func() {
		check("visibility API", visibility.CreateAndStartVisibilityServer(ctx, queues, cfg, connection, &tlsconfig.TLS{}))
	}()
	check("manager", mgr.Start(ctx))
}

func kubernetesVersion(mgr manager.Manager, connection *rest.Config) *kubeversion.ServerVersionFetcher {
	client, err := discovery.NewDiscoveryClientForConfig(connection)
	check("discovery", err)
	version := kubeversion.NewServerVersionFetcher(client)
	check("version of Kubernetes", version.FetchServerVersion())
	check("version of Kubernetes", mgr.Add(version))
	return version
}

// named takes what Kueue's own setups return: the name of what failed, and why.
func named(name string, err error) { check(name, err) }

func check(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, fmt.Errorf("kueue: %s: %w", what, err))
		os.Exit(1)
	}
}
