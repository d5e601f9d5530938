import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

/** Announces Submarine in JupyterLab; its settings are in `schema/plugin.json`. */
const plugin: JupyterFrontEndPlugin<void> = {
  id: 'submarine-jupyter:plugin',
  description: 'Follows distributed training experiments.',
  autoStart: true,
  activate: () => undefined
};

export default plugin;
