// The real External Secrets Operator, for the sandbox: the two of its reconcilers that a synced Secret takes.
//
// A module of its own, because it stands on an older Kubernetes than the cluster's: together they do not compile. Each reconciler
// is set up as upstream's main does; push secrets, generators and cluster-wide kinds are left out.
package main

import (
	"flag"
	"os"
	"time"

	esv1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	"github.com/external-secrets/external-secrets/pkg/controllers/common"
	"github.com/external-secrets/external-secrets/pkg/controllers/externalsecret"
	"github.com/external-secrets/external-secrets/pkg/controllers/externalsecret/esmetrics"
	ctrlmetrics "github.com/external-secrets/external-secrets/pkg/controllers/metrics"
	"github.com/external-secrets/external-secrets/pkg/controllers/secretstore"
	"github.com/external-secrets/external-secrets/pkg/controllers/secretstore/ssmetrics"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	health := flag.String("health", "", "address of /healthz and /readyz")
	class := flag.String("class", "default", "which SecretStores it works for, by their spec.controller")
	stores := flag.Duration("stores-every", 10*time.Second, "how often a SecretStore is tried again")
	flag.Parse() // also -kubeconfig, which is controller-runtime's: the Vault provider looks there itself

	ctrl.SetLogger(zap.New())
	config := ctrl.GetConfigOrDie()
	config.QPS, config.Burst = 50, 100
	exitOn(esv1.AddToScheme(scheme.Scheme))
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme.Scheme,
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: *health,
		// Secrets and ConfigMaps of a whole cluster are not ours to hold in memory.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
	})
	exitOn(err)
	exitOn(manager.AddReadyzCheck("caches", healthz.Ping))
	secrets, err := common.BuildManagedSecretClient(manager, "")
	exitOn(err)

	ctrlmetrics.SetUpLabelNames(false)
	ssmetrics.SetUpMetrics()
	exitOn((&secretstore.StoreReconciler{
		Client:          manager.GetClient(),
		Log:             ctrl.Log.WithName("SecretStore"),
		Scheme:          manager.GetScheme(),
		ControllerClass: *class,
		RequeueInterval: *stores,
	}).SetupWithManager(manager, controller.Options{RateLimiter: common.BuildRateLimiter()}))
	esmetrics.SetUpMetrics()
	exitOn((&externalsecret.Reconciler{
		Client:          manager.GetClient(),
		SecretClient:    secrets,
		Log:             ctrl.Log.WithName("ExternalSecret"),
		Scheme:          manager.GetScheme(),
		RestConfig:      manager.GetConfig(),
		ControllerClass: *class,
		RequeueInterval: time.Hour,
		EnableFloodGate: true,
	}).SetupWithManager(manager, controller.Options{RateLimiter: common.BuildRateLimiter()}))
	exitOn(manager.Start(ctrl.SetupSignalHandler()))
}

func exitOn(err error) {
	if err != nil {
		ctrl.Log.Error(err, "cannot go on")
		os.Exit(1)
	}
}
