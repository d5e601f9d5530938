import { JupyterLab } from '@jupyterlab/application';
import { ServiceManagerMock } from '@jupyterlab/services/lib/testutils';

import plugin from './index';

describe('submarine-jupyter:plugin', () => {
  it('registers and activates in JupyterLab', async () => {
    const lab = new JupyterLab({ serviceManager: new ServiceManagerMock() });

    lab.registerPlugin(plugin);
    await lab.activatePlugin(plugin.id);

    expect(lab.hasPlugin(plugin.id)).toBe(true);
    expect(lab.isPluginActivated(plugin.id)).toBe(true);
  });
});
